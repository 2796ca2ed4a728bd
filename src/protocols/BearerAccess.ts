/**
 * `Access` for a service whose tenants have issuers: by bearer token, else by the bus.
 *
 * A token that is sent is verified, whatever the operation; what it may is decided by its scopes. Without one
 * the bus's word counts where it is enough. The tenant's issuer is asked for under the lease, as everything
 * that can be taken away, and once more when the token is verified: that may have taken as long as its issuer
 * took to answer, and a tenant may have another one since.
 *
 * Contract, sections 8.1 and 8.2.
 */
import { Effect, Layer, Metric } from "effect"
import { AccessConfig } from "../access/AccessConfig.ts"
import { Decision, needsBearer, ofPlaces, overall } from "../access/Decision.ts"
import { type Row, rowOf } from "../access/Scopes.ts"
import { type Verified, Verifier } from "../access/Verifier.ts"
import { KnownTenants } from "../actors/validation/KnownTenants.ts"
import { ScopeMissing, Unauthenticated } from "../domain/errors.ts"
import { type Issuer, sameIssuer } from "../domain/Issuer.ts"
import type { KnownBy } from "../domain/Principal.ts"
import { settingsOf } from "../domain/Tenant.ts"
import { Access, type AccessRequest, type Granted } from "./Access.ts"
import { decideBus, mayAskAsGateway, onlyGateway } from "./BusAccess.ts"
import type { BusCaller } from "./BusCaller.ts"
import { BusConfig } from "./BusConfig.ts"
import type { ManagementError } from "./Status.ts"

const decisions = Metric.counter("cm_access_total", {
  description: "Requests whose caller was looked at, by kind of caller and outcome",
  incremental: true
})

const outcomeOf = (error: ManagementError): string =>
  error._tag === "Unauthenticated" ? error.reason : error._tag === "Unavailable" ? error.part : "forbidden"

/** Counts without looking its metric up by its attributes each time: there are few of them. */
const makeCounter = Effect.map(Effect.context<never>(), (context) => {
  const counters = new Map<string, typeof decisions>()
  return (by: string, outcome: string): void => {
    const name = `${by} ${outcome}`
    const counter = counters.get(name) ?? Metric.withAttributes(decisions, { by, outcome })
    counters.set(name, counter)
    counter.updateUnsafe(1, context)
  }
})

const knownByBearer = (bus: BusCaller, client: string | null): KnownBy => ({
  by: "bearer",
  account: bus.by === "import" ? bus.account : null,
  user: bus.by === "import" ? bus.user : null,
  client
})

const make = Effect.gen(function* () {
  const config = yield* AccessConfig
  const verifier = yield* Verifier
  const tenants = yield* KnownTenants
  const { gatewayAccount } = yield* BusConfig

  const issuerOf = (tenantId: string | null): Effect.Effect<Issuer | null, ManagementError> =>
    tenantId === null ? Effect.succeed(null) : Effect.map(tenants.find(tenantId), (tenant) => settingsOf(tenant).issuer)

  /** The token was judged by the issuer that the tenant has now. */
  const verify = Effect.fnUntraced(function* (header: string, tenantId: string | null) {
    const issuer = yield* issuerOf(tenantId)
    const verified = yield* verifier.verify(header, { tenantId, issuer })
    if (verified.grants.issuedBy === "platform" || sameIssuer(issuer, yield* issuerOf(tenantId))) return verified
    return yield* new Unauthenticated({ reason: "issuer" })
  })

  const decide = Effect.fnUntraced(function* <R>(
    { grants }: Verified,
    row: Row | undefined,
    places: AccessRequest<R>["places"]
  ) {
    if (config.authorization === "authentication-only") return Decision.Allowed({ among: null })
    const first = overall(grants, row)
    return first._tag === "Depends" && row !== undefined ? ofPlaces(grants, row, yield* places) : first
  })

  const byBearer = Effect.fnUntraced(function* <R>(
    header: string,
    row: Row | undefined,
    { bus, places, tenantId }: AccessRequest<R>
  ): Effect.fn.Return<Granted, ManagementError, R> {
    const verified = yield* verify(header, tenantId)
    const decision = yield* decide(verified, row, places)
    if (decision._tag === "Missing") {
      const { resource, scope } = decision
      return yield* new ScopeMissing({ scope, resource })
    }
    const among = decision._tag === "Allowed" ? decision.among : []
    return { principal: verified.principal, known: knownByBearer(bus, verified.client), among }
  })

  /** Whether the tenant has an issuer is asked only where that decides. */
  const byBus = <R>(row: Row | undefined, request: AccessRequest<R>): Effect.Effect<Granted, ManagementError> => {
    const { consumer, family, tenantId } = request
    const asked = { family, row, namesConsumer: consumer !== null, busTrust: config.busTrust }
    const decided = (needsOne: boolean): Effect.Effect<Granted, ManagementError> =>
      needsOne
        ? Effect.fail(new Unauthenticated({ reason: "missing" }))
        : Effect.fromResult(decideBus(request, gatewayAccount))
    const [withIssuer, without] = [true, false].map((hasIssuer) => needsBearer({ ...asked, hasIssuer }))
    return withIssuer === without
      ? decided(without!)
      : Effect.flatMap(issuerOf(tenantId), (issuer) => decided(issuer === null ? without! : withIssuer!))
  }

  const count = yield* makeCounter

  return Access.of({
    authorize: <R>(request: AccessRequest<R>): Effect.Effect<Granted, ManagementError, R> => {
      const { authorization, bus, family, operation } = request
      const row = rowOf(family, operation)
      const granted: Effect.Effect<Granted, ManagementError, R> = !mayAskAsGateway(request, gatewayAccount)
        ? Effect.fail(onlyGateway())
        : authorization === null
          ? byBus(row, request)
          : byBearer(authorization, row, request)
      const kind = authorization === null ? bus.by : "bearer"
      return granted.pipe(
        Effect.map((grant) => {
          count(grant.known.by, "allowed")
          return grant
        }),
        Effect.mapError((error) => {
          count(kind, outcomeOf(error))
          return error
        })
      )
    }
  })
})

/** Needs `BusConfig`, `AccessConfig`, the verifier, and who knows the tenants. */
export const layer: Layer.Layer<Access, never, AccessConfig | BusConfig | KnownTenants | Verifier> = Layer.effect(
  Access,
  make
)
