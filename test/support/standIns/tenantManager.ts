/** A Tenant Manager: the list of tenants in pages, and security configurations. */
import { type Client, parameters, Refused, startStandIn } from "./standIn.ts"

export interface ManagedTenant {
  status: string
  realmName: string
  backendClientId: string
  security: { issuer: string; audience: string; jwks_uri?: string } | null
}

const pageSizeMax = 50

export const startTenantManager = async (
  options: { readonly client?: Client; readonly port?: number; readonly tokenSeconds?: number } = {}
) => {
  const tenants = new Map<string, ManagedTenant>()
  const standIn = await startStandIn({
    ...options,
    scopes: ["kaa:tenant:read"],
    answer: ({ path, query }) => {
      if (path === "/api/v1/tenants") {
        const { limit = "", offset = "" } = parameters(query, ["offset", "limit"])
        if (!/^[1-9]\d*$/u.test(limit) || Number(limit) > pageSizeMax || !/^\d+$/u.test(offset)) {
          throw new Refused(400, "offset or limit")
        }
        const all = Array.from(tenants, ([id, tenant]) => ({
          id,
          realm_name: tenant.realmName,
          client_frontend_id: `${id}-frontend`,
          client_backend_id: tenant.backendClientId,
          status: tenant.status,
          roles_version: 3
        }))
        return { count: all.length, results: all.slice(Number(offset), Number(offset) + Number(limit)) }
      }
      const one = /^\/api\/v1\/tenants\/([^/]+)\/security-config$/u.exec(path)?.[1]
      if (one !== undefined) {
        parameters(query, [])
        return tenants.get(decodeURIComponent(one))?.security ?? null
      }
      throw new Refused(404, "path")
    }
  })
  return {
    ...standIn,
    tenants,
    put: (tenantId: string, tenant: Partial<ManagedTenant> = {}) => {
      const before = tenants.get(tenantId)
      const byDefault = { status: "AVAILABLE", realmName: tenantId, backendClientId: "backend", security: null }
      tenants.set(tenantId, { ...byDefault, ...before, ...tenant })
    },
    environment: {
      CM_TENANT_MANAGER_URL: standIn.url,
      CM_TENANT_MANAGER_TOKEN_URL: standIn.tokenUrl,
      CM_TENANT_MANAGER_CLIENT_ID: standIn.client.id,
      CM_TENANT_MANAGER_CLIENT_SECRET: standIn.client.secret
    }
  }
}
export type TenantManagerStandIn = Awaited<ReturnType<typeof startTenantManager>>
