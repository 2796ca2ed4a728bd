// Verifies R-ACC-1, R-ACC-2, R-ACC-7, R-BUS-15.
/**
 * Who may do what, generated: every kind of principal × every operation × what it touches × the switches, held
 * against the contract's own words (8.1, 8.2), which are written here once more and import no decision.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Layer } from "effect"
import { AccessConfig } from "../../../src/access/AccessConfig.ts"
import type { Place } from "../../../src/access/Decision.ts"
import { grantsOf } from "../../../src/access/Grants.ts"
import { type Family, type Row, rowOf } from "../../../src/access/Scopes.ts"
import { Verifier } from "../../../src/access/Verifier.ts"
import { KnownTenants } from "../../../src/actors/validation/KnownTenants.ts"
import { Unauthenticated } from "../../../src/domain/errors.ts"
import type { Issuer } from "../../../src/domain/Issuer.ts"
import { Access } from "../../../src/protocols/Access.ts"
import * as BearerAccess from "../../../src/protocols/BearerAccess.ts"
import type { BusCaller } from "../../../src/protocols/BusCaller.ts"
import { BusConfig } from "../../../src/protocols/BusConfig.ts"
import { everyOperation } from "../../../src/protocols/OperationTable.ts"

// ---- what there is

const ofAcme: Issuer = { issuer: "https://acme.example", audience: "cm", jwksUri: null }
const tenants = { acme: ofAcme, plain: null } as const
type TenantName = keyof typeof tenants
type Trust = "without-issuer" | "always" | "never"

interface Bearer {
  readonly from: "acme" | "platform" | "stranger"
  readonly claims: Readonly<Record<string, unknown>>
  /** What it may, as pairs of a scope and a resource. */
  readonly granted: ReadonlyArray<readonly [scope: string, resource: string]>
}
interface Asked {
  readonly family: Family
  readonly name: string
  readonly row: Row
  readonly tenant: TenantName
  readonly bus: BusCaller
  readonly consumer: string | null
  readonly bearer: Bearer | null
  readonly places: ReadonlyArray<Place | null>
  readonly trust: Trust
  readonly scopesCount: boolean
}
type Outcome = string

const imported = (account: string, user: string | null): BusCaller => ({ by: "import", account, user })
const callers: ReadonlyArray<BusCaller> = [
  { by: "nobody" },
  { by: "bus" },
  imported("ADMIN", "alice"),
  imported("PLAIN", null),
  imported("CONSUMERS", "mail"),
  imported("GATEWAY", "gateway")
]

const first: Place = { endpointId: "e1", appNames: ["a1"] }
const second: Place = { endpointId: "e2", appNames: ["a2"] }
const placesOf = (row: Row): ReadonlyArray<ReadonlyArray<Place | null>> => {
  switch (row.on) {
    case "endpoint":
      return [
        [first],
        [first, second],
        [{ endpointId: "e1", appNames: ["a1", "a2"] }],
        [{ appNames: ["a1"] }],
        [{}],
        [null]
      ]
    case "application":
      return [[{ appNames: ["a1"] }]]
    case "client-credential":
      return [[{ kind: "basic" }], [{ kind: "certificate" }]]
    default:
      return [[]]
  }
}
const scopesOf = (row: Row): ReadonlyArray<string> =>
  "scopes" in row ? Object.values(row.scopes) : "scope" in row ? [row.scope] : []
const resources = ["endpoint-e1", "endpoint-e2", "application-a1", "application-a2", "tenant-system", "kaa-system"]

/** Of each issuer: no scope, another scope on everything, and each scope of the row in each form on each resource. */
const bearersFor = (row: Row): ReadonlyArray<Bearer> =>
  (["acme", "platform", "stranger"] as const).flatMap((from) => {
    const whole = from === "platform" ? "kaa-system" : "tenant-system"
    const one = (scope: string, resource: string): Bearer => ({
      from,
      claims: { authorization: { permissions: [{ rsname: resource, scopes: [scope] }] } },
      granted: [[scope, resource]]
    })
    const scopes = scopesOf(row)
    const both: Bearer = {
      from,
      claims: {
        authorization: {
          permissions: ["application-a1", "application-a2"].map((rsname) => ({ rsname, scopes }))
        }
      },
      granted: scopes.flatMap((scope) => ["application-a1", "application-a2"].map((on) => [scope, on] as const))
    }
    return [
      { from, claims: {}, granted: [] },
      one("some:other", whole),
      ...scopes.map((scope): Bearer => ({ from, claims: { scope: `x ${scope}` }, granted: [[scope, whole]] })),
      ...scopes.flatMap((scope) => resources.map((resource) => one(scope, resource))),
      both
    ]
  })

// ---- the contract's words

/** Those that change nothing, for an account without a user. */
const reading =
  /(?:^|\.)(?:get|list|describe|history|verify|validate|validate-batch|resolve|events|status|show|health|ready|metrics)$/u
const unauthenticated = (reason: string): Outcome => `401 ${reason}`
const forbidden: Outcome = "403"
const needsScope: Outcome = "403 scope"

const byBus = ({ bus, consumer, family, name }: Asked): Outcome => {
  switch (bus.by) {
    case "nobody":
      return unauthenticated("missing")
    case "bus":
      return name.startsWith("token.validate") ? "bus" : forbidden
    case "import":
      if (bus.account === "GATEWAY") {
        const own = (family === "admin" && name === "ready") || (family === "gateway" && name === "resolve")
        if (!own) return unauthenticated("missing")
      }
      // Bus permissions vouch for the consumer's token; a user that the server names must bear it out.
      if (consumer !== null && (bus.user === null || bus.user === consumer)) return consumer
      return bus.user === null && !reading.test(name) ? forbidden : `${bus.account}/${bus.user ?? "-"}`
  }
}

/** "A tenant with an issuer: for every management operation"; the platform's: enough unless `never`. */
const isBearerNeeded = ({ consumer, family, row, tenant, trust }: Asked): boolean => {
  if (family === "admin") return trust === "never"
  if (row.on === "nothing" || consumer !== null) return false
  if (family === "gateway") return true
  return trust === "never" || (trust === "without-issuer" && tenants[tenant] !== null)
}

const byBearer = ({ family, places, row, scopesCount, tenant }: Asked, { from, granted }: Bearer): Outcome => {
  const ofPlatform = family !== "tenant" && !(family === "gateway" && row.on === "events")
  if (from === "stranger" || (from === "acme" && (ofPlatform || tenant !== "acme"))) return unauthenticated("stranger")
  const principal = from === "acme" ? "bearer:acme/robot" : "bearer:kaa/robot"
  if (!scopesCount || row.on === "nothing") return principal
  const whole = from === "platform" ? "kaa-system" : "tenant-system"
  // A tenant's token reaches no platform, and `tenant-system` of a platform's names no tenant.
  const counts = (scope: string, resource: string) =>
    granted.some(([has, on]) => has === scope && on === resource) &&
    resource !== (from === "platform" ? "tenant-system" : "kaa-system")
  const somewhere = (scope: string) => resources.some((resource) => counts(scope, resource))
  const onPlace = (scope: string, place: Place | null): boolean => {
    if (counts(scope, whole)) return true
    if (place === null) return somewhere(scope)
    if (place.endpointId !== undefined && counts(scope, `endpoint-${place.endpointId}`)) return true
    const apps = place.appNames ?? []
    return apps.length > 0 && apps.every((app) => counts(scope, `application-${app}`))
  }
  const isAllowed = (): boolean => {
    switch (row.on) {
      case "platform":
        return from === "platform" && counts(row.scope, "kaa-system")
      case "tenant":
        return counts(row.scope, whole)
      case "endpoint":
      case "application":
        return places.every((place) => onPlace(row.scope, place))
      case "applications":
        return counts(row.scope, whole) || ["a1", "a2"].some((app) => counts(row.scope, `application-${app}`))
      case "client-credential":
        return places.every((place) => place?.kind !== undefined && counts(row.scopes[place.kind], whole))
      case "client-credentials":
        return Object.values(row.scopes).some((scope) => counts(scope, whole))
      case "events": {
        const { credentials, tokens } = row.scopes
        const some = resources.filter((resource) => !resource.endsWith("-system"))
        return [credentials, tokens].some((scope) => counts(scope, whole)) || some.some((on) => counts(tokens, on))
      }
    }
  }
  return isAllowed() ? principal : needsScope
}

const expected = (asked: Asked): Outcome => {
  const { bearer, bus, family } = asked
  const isGateway = bus.by === "import" && bus.account === "GATEWAY"
  if (family === "gateway" && !isGateway) return forbidden
  if (bearer !== null) return byBearer(asked, bearer)
  return isBearerNeeded(asked) ? unauthenticated("missing") : byBus(asked)
}

// ---- what is decided

const decided = ({ bearer, bus, consumer, family, name, places, tenant }: Asked) =>
  Effect.gen(function* () {
    const access = yield* Access
    const exit = yield* Effect.exit(
      access.authorize({
        family,
        operation: name,
        tenantId: family === "admin" || name === "resolve" ? null : tenant,
        consumer,
        bus,
        authorization: bearer === null ? null : JSON.stringify(bearer),
        places: Effect.succeed(places)
      })
    )
    if (Exit.isSuccess(exit)) return exit.value.principal
    const error = (exit.cause.reasons[0] as { readonly error: { readonly _tag: string; readonly reason?: string } })
      .error
    switch (error._tag) {
      case "Unauthenticated":
        return unauthenticated(error.reason ?? "")
      case "ScopeMissing":
        return needsScope
      case "Forbidden":
        return forbidden
      default:
        return error._tag
    }
  })

const verifier = Layer.succeed(Verifier, {
  verify: (header, { issuer }) => {
    const { claims, from } = JSON.parse(header) as Bearer
    if (from === "platform") {
      return Effect.succeed({ principal: "bearer:kaa/robot", client: null, grants: grantsOf(claims, "platform") })
    }
    return from === "acme" && issuer === ofAcme
      ? Effect.succeed({ principal: "bearer:acme/robot", client: null, grants: grantsOf(claims, "tenant") })
      : Effect.fail(new Unauthenticated({ reason: "stranger" as never }))
  },
  censusUnsafe: () => ({ issuers: 0, tokens: 0, bytes: 0 })
})
const known = Layer.mock(KnownTenants, {
  find: (tenantId) =>
    Effect.succeed({
      tenantId,
      name: null,
      createdAt: 0,
      removedAt: null,
      settings: { issuer: tenants[tenantId as TenantName], retentionMs: null, limits: {} }
    })
})
const accessWith = (busTrust: Trust, scopesCount: boolean) =>
  BearerAccess.layer.pipe(
    Layer.provide(
      Layer.mergeAll(
        verifier,
        known,
        BusConfig.layerShipped,
        Layer.succeed(AccessConfig, {
          busTrust,
          authorization: scopesCount ? "enforced" : "authentication-only",
          platform: null,
          clockSkew: Duration.seconds(30),
          jwksStaleMax: Duration.days(1),
          jwksRefresh: Duration.minutes(5),
          issuerTimeout: Duration.seconds(1),
          issuersMax: 10,
          verifiedTokensMax: 10,
          httpInsecure: false
        })
      )
    )
  )

const switches = (["without-issuer", "always", "never"] as const).flatMap((trust) =>
  [true, false].map((scopesCount) => ({ trust, scopesCount }))
)

describe("who may do what", () => {
  it.effect.each(switches)("is the contract's, for everybody and everything: %j", ({ scopesCount, trust }) =>
    Effect.gen(function* () {
      let [count, allowed] = [0, 0]
      for (const { family, name } of everyOperation) {
        const row = rowOf(family, name)!
        const consumers = family === "tenant" && name === "credential.get" ? [null, "mail", "chat"] : [null]
        for (const tenant of ["acme", "plain"] as const) {
          for (const bus of callers) {
            for (const consumer of consumers) {
              // Who asks with a token is known by it, wherever it comes from.
              const isTried = bus.by === "bus" || (bus.by === "import" && bus.user !== "mail" && bus.user !== null)
              for (const bearer of [null, ...(isTried ? bearersFor(row) : [])]) {
                for (const places of placesOf(row)) {
                  const asked: Asked = { family, name, row, tenant, bus, consumer, bearer, places, trust, scopesCount }
                  const outcome = yield* decided(asked)
                  if (outcome !== expected(asked)) {
                    assert.strictEqual(outcome, expected(asked), JSON.stringify({ ...asked, row: row.on }))
                  }
                  count++
                  if (!/^40[13]/u.test(outcome)) allowed++
                }
              }
            }
          }
        }
      }
      // Neither all nor nothing: the matrix is one.
      assert.isAbove(count, 10_000)
      assert.isAbove(allowed, count / 20)
      assert.isBelow(allowed, count)
    }).pipe(Effect.provide(accessWith(trust, scopesCount)))
  )
})
