/**
 * Reads the Tenant Manager, and carries out what follows: tenants that are new, issuers that changed.
 *
 * One reading at a time on a replica; several replicas that read at once do nothing twice.
 */
import { Clock, Effect } from "effect"
import { AccessConfig } from "../../access/AccessConfig.ts"
import { audiencePattern, type Issuer, issuerAddressProblem, issuerPattern, platformName } from "../../domain/Issuer.ts"
import { tenantIdPattern } from "../../domain/Names.ts"
import { servicePrincipal } from "../../domain/Principal.ts"
import { noSettings } from "../../domain/Tenant.ts"
import {
  available,
  decideTenants,
  type IssuerRead,
  type KnownTenant,
  type TenantDecision
} from "../../platform/decideTenants.ts"
import { PlatformConfig } from "../../platform/PlatformConfig.ts"
import type { PlatformError } from "../../platform/PlatformError.ts"
import { type ListedTenant, TenantManager } from "../../platform/TenantManager.ts"
import { PlatformStore, type TenantRow } from "../../store/PlatformStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { IssuerOfTenant } from "../tenant/IssuerOfTenant.ts"
import { type ChangeError, Tenants } from "../tenant/Tenants.ts"
import type { Told } from "./Told.ts"

const issuersAtOnce = 8
const system = "tenant-manager"

const knownOf = ({ issuer, mark, row }: TenantRow): KnownTenant => ({ row, mark, issuer })

/** The principal of what a reading leads to, and under which correlation id. */
export const caller = (name: string, correlationId = "") => ({
  ...servicePrincipal(name),
  correlationId,
  idempotency: null
})

export type ReadingError = PlatformError | StoreUnavailable | ChangeError

export const make = Effect.fnUntraced(function* (told: Told) {
  const { client } = yield* TenantManager
  const { insecure } = yield* PlatformConfig
  const { platform } = yield* AccessConfig
  const store = yield* PlatformStore
  const tenants = yield* Tenants
  const issuers = yield* IssuerOfTenant

  /** What `tenants.configure` would refuse is refused here, too. */
  const checked = (tenantId: string, settings: Issuer | null): IssuerRead => {
    if (settings === null) return { settings }
    const { audience, issuer, jwksUri } = settings
    const isText = issuerPattern.test(issuer) && audiencePattern.test(audience) && issuerPattern.test(jwksUri ?? "-")
    const isFree = issuer !== platform?.issuer && tenantId !== platformName
    const problem =
      issuerAddressProblem(issuer, insecure) ?? (jwksUri === null ? null : issuerAddressProblem(jwksUri, insecure))
    return isText && isFree && problem === null ? { settings } : "refused"
  }

  const readIssuers = Effect.fnUntraced(function* (
    of: (tenant: ListedTenant) => Effect.Effect<Issuer | null, PlatformError>,
    listed: ReadonlyArray<ListedTenant>,
    known: ReadonlyMap<string, KnownTenant>
  ) {
    const asked = listed.filter(
      ({ status, tenantId }) =>
        status === available && tenantIdPattern.test(tenantId) && known.get(tenantId)?.mark !== "ended"
    )
    const read = yield* Effect.forEach(
      asked,
      (tenant) =>
        of(tenant).pipe(
          Effect.map((settings) => checked(tenant.tenantId, settings)),
          Effect.orElseSucceed((): IssuerRead => "unread"),
          Effect.map((found) => [tenant.tenantId, found] as const)
        ),
      { concurrency: issuersAtOnce }
    )
    return new Map(read)
  })

  const carryOut = Effect.fnUntraced(function* (decision: TenantDecision) {
    const { tenantId } = decision
    switch (decision._tag) {
      case "Create":
        yield* tenants
          .createTenant({ tenantId, name: null, settings: { ...noSettings, issuer: decision.settings } }, caller("tle"))
          .pipe(
            // Another replica was quicker.
            Effect.catchTag("TenantExists", () => Effect.void),
            Effect.catchTag("IssuerInUse", () => told.refuse(system, "issuer_in_use", { tenantId }))
          )
        return yield* Effect.logInfo("a tenant of the Tenant Manager").pipe(
          Effect.annotateLogs({ tenantId, anew: decision.anew })
        )
      case "SetIssuer": {
        const refuse = (reason: string) => told.refuse(system, reason, { tenantId })
        return yield* issuers.set(tenantId, decision.settings, caller("tle")).pipe(
          Effect.flatMap((set) => (set === "done" ? Effect.void : refuse(set))),
          Effect.catchTags({ InvalidRequest: () => refuse("issuer_refused"), TenantNotFound: () => Effect.void })
        )
      }
      case "Tell":
        return yield* told.refuse(system, decision.reason, { tenantId })
    }
  })

  /** Everything, or one tenant of it. Answers the tenants that are new. */
  const read = Effect.fnUntraced(function* (only: string | null) {
    if (client === null) return [] as ReadonlyArray<string>
    const begun = yield* Clock.currentTimeMillis
    const all = yield* client.tenants
    const listed = only === null ? all : all.filter(({ tenantId }) => tenantId === only)
    const rows = yield* store.tenants(only === null ? null : [only])
    const known = new Map(rows.map((row) => [row.tenantId, knownOf(row)]))
    const read = yield* readIssuers(client.issuerOf, listed, known)
    const decisions = decideTenants(known, listed, read, only === null)
    for (const decision of decisions) yield* carryOut(decision)
    if (only === null) yield* told.forget(system, begun)
    return decisions.flatMap((one) => (one._tag === "Create" ? [one.tenantId] : []))
  })
  return { read, isThere: client !== null }
})
export type TenantReading = Effect.Success<ReturnType<typeof make>>
