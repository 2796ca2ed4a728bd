/**
 * The Tenant Manager, as a client: which tenants there are, and whose tokens each believes.
 *
 * Every page is read; an answer that does not add up (pages that repeat, fewer than were announced, more
 * than are read) is malformed as a whole, so that half of a list is never taken for all of it. One
 * entry that is wrong in itself is handed on as it is: it is refused alone.
 *
 * Source: contract, section 8.3.
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { Issuer } from "../domain/Issuer.ts"
import * as ClientCredentials from "./ClientCredentials.ts"
import { PlatformConfig } from "./PlatformConfig.ts"
import { PlatformError } from "./PlatformError.ts"
import * as SystemClient from "./SystemClient.ts"

const system = "tenant-manager"
const pageSize = 50
/** Tenants that are read at most. */
export const tenantsMax = 100_000

const Listed = Schema.Struct({
  id: Schema.String,
  realm_name: Schema.optionalKey(Schema.NullOr(Schema.String)),
  client_backend_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  status: Schema.String
})
const ListedPage = Schema.Struct({
  count: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: tenantsMax })),
  results: Schema.Array(Listed)
})
const SecurityConfig = Schema.Struct({
  issuer: Schema.String,
  audience: Schema.String,
  jwks_uri: Schema.optionalKey(Schema.NullOr(Schema.String))
})

export interface ListedTenant {
  readonly tenantId: string
  readonly realmName: string | null
  readonly backendClientId: string | null
  /** `AVAILABLE` is the only one that is served from. */
  readonly status: string
}

/** The issuer of a tenant that has no security configuration of its own: Keycloak's, by its realm. */
export const keycloakIssuer = (keycloakUrl: string, tenant: ListedTenant): Issuer | null =>
  keycloakUrl === "" || tenant.realmName === null || tenant.backendClientId === null
    ? null
    : {
        issuer: `${keycloakUrl.replace(/\/+$/u, "")}/auth/realms/${encodeURIComponent(tenant.realmName)}`,
        audience: tenant.backendClientId,
        jwksUri: null
      }

const makeLive = Effect.gen(function* () {
  const config = yield* PlatformConfig
  if (config.tenantManagerUrl === "") return null
  const limits = { timeout: config.requestTimeout, bytesMax: config.answerBytesMax }
  const credentials = yield* ClientCredentials.make({
    system,
    client: config.tenantManager,
    scope: "kaa:tenant:read",
    limits
  })
  const client = SystemClient.make({ system, url: config.tenantManagerUrl, credentials, limits })
  const malformed = (detail: string) => new PlatformError({ system, reason: "Malformed", detail, isRetryable: false })

  const tenants = Effect.gen(function* () {
    const found = new Map<string, ListedTenant>()
    for (let offset = 0; ; ) {
      const what = `tenants from ${offset}`
      const page = yield* client.get(`/api/v1/tenants?offset=${offset}&limit=${pageSize}`, what, ListedPage)
      if (page === null) return yield* malformed(`${what}, status 404`)
      if (page.results.length > pageSize) return yield* malformed(`${what}, a page too long`)
      for (const { client_backend_id = null, id, realm_name = null, status } of page.results) {
        if (found.has(id)) return yield* malformed(`${what}, a tenant twice`)
        found.set(id, { tenantId: id, realmName: realm_name, backendClientId: client_backend_id, status })
      }
      offset += page.results.length
      if (offset === page.count) return Array.from(found.values())
      if (offset > page.count || page.results.length === 0) return yield* malformed(`${what}, the pages do not add up`)
    }
  })

  const issuerOf = (tenant: ListedTenant) =>
    client
      .get(`/api/v1/tenants/${encodeURIComponent(tenant.tenantId)}/security-config`, "security-config", SecurityConfig)
      .pipe(
        Effect.map((found): Issuer | null =>
          found === null
            ? keycloakIssuer(config.keycloakUrl, tenant)
            : { issuer: found.issuer, audience: found.audience, jwksUri: found.jwks_uri ?? null }
        )
      )
  return { tenants, issuerOf }
})

export interface TenantManagerClient {
  /** All of them, whatever their status. */
  readonly tenants: Effect.Effect<ReadonlyArray<ListedTenant>, PlatformError>
  /** Null: the tenant has none. */
  readonly issuerOf: (tenant: ListedTenant) => Effect.Effect<Issuer | null, PlatformError>
}

/** Null where no Tenant Manager is configured. */
export class TenantManager extends Context.Service<TenantManager, { readonly client: TenantManagerClient | null }>()(
  "cm/platform/TenantManager"
) {
  static readonly layer = Layer.effect(
    this,
    Effect.map(makeLive, (client) => ({ client }))
  )
}
