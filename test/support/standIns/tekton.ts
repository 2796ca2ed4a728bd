/** A Tekton: applications of tenants, their configuration for one instance, tenants' configuration. */
import { type Client, parameters, Refused, startStandIn } from "./standIn.ts"

export type Config = Record<string, unknown>

export interface TektonStandInOptions {
  readonly instance: string
  readonly client?: Client
  readonly port?: number
  readonly tokenSeconds?: number
  /** Applications on one page of a list; all of them by default. */
  readonly pageSize?: number
}

export const startTekton = async (options: TektonStandInOptions) => {
  const { instance } = options
  /** Tenant to its applications. */
  const applications = new Map<string, Set<string>>()
  const appConfigs = new Map<string, Config>()
  const tenantConfigs = new Map<string, Config>()
  const paging = { size: options.pageSize ?? 1_000_000 }

  const ofThisInstance = (name: string | undefined): boolean => name === instance
  const standIn = await startStandIn({
    ...(options.client === undefined ? {} : { client: options.client }),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options.tokenSeconds === undefined ? {} : { tokenSeconds: options.tokenSeconds }),
    scopes: ["kaa:application:read", "kaa:tenant:configuration:read"],
    answer: ({ path, query }) => {
      if (path === "/api/v1/app-configs") {
        const { serviceInstanceName } = parameters(query, ["serviceInstanceName"])
        if (!ofThisInstance(serviceInstanceName)) return {}
        return { [instance]: { kaa: { applications: Object.fromEntries(appConfigs) } } }
      }
      if (path === "/api/v1/applications") {
        const { offset = "0", tenantId = "" } = parameters(query, ["tenantId"], ["offset"])
        const names = Array.from(applications.get(tenantId) ?? []).toSorted()
        const from = Number(offset)
        const content = names.slice(from, from + paging.size).map((name) => ({ name, displayName: `The ${name}` }))
        return { content, totalElements: names.length }
      }
      if (path === "/api/v1/tenant-configs") {
        const { serviceInstanceName, tenantId = "" } = parameters(query, ["serviceInstanceName", "tenantId"])
        return ofThisInstance(serviceInstanceName) ? (tenantConfigs.get(tenantId) ?? null) : null
      }
      const one = /^\/api\/v1\/app-configs\/applications\/([^/]+)$/u.exec(path)?.[1]
      if (one !== undefined) {
        const { serviceInstanceName } = parameters(query, ["serviceInstanceName"])
        return ofThisInstance(serviceInstanceName) ? (appConfigs.get(decodeURIComponent(one)) ?? null) : null
      }
      throw new Refused(404, "path")
    }
  })
  return {
    ...standIn,
    applications,
    appConfigs,
    tenantConfigs,
    paging,
    /** An application of a tenant, with configuration unless it is null. */
    put: (tenantId: string, appName: string, config: Config | null = {}) => {
      const names = applications.get(tenantId) ?? new Set()
      applications.set(tenantId, names.add(appName))
      if (config !== null) appConfigs.set(appName, { versions: { [`${appName}-v1`]: {} }, ...config })
    },
    drop: (tenantId: string, appName: string) => {
      applications.get(tenantId)?.delete(appName)
      appConfigs.delete(appName)
    },
    /** The service's environment for it. */
    environment: {
      CM_TEKTON_ENABLED: "true",
      CM_TEKTON_URL: standIn.url,
      CM_TEKTON_TOKEN_URL: standIn.tokenUrl,
      CM_TEKTON_CLIENT_ID: standIn.client.id,
      CM_TEKTON_CLIENT_SECRET: standIn.client.secret
    }
  }
}
export type TektonStandIn = Awaited<ReturnType<typeof startTekton>>
