// Verifies R-ACC-8, R-BUS-15.
/** A bearer token is judged by the issuer that the tenant has when it is answered, whatever it had when it was asked. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Metric } from "effect"
import { AccessConfig } from "../../../src/access/AccessConfig.ts"
import { grantsOf } from "../../../src/access/Grants.ts"
import { Verifier } from "../../../src/access/Verifier.ts"
import { KnownTenants } from "../../../src/actors/validation/KnownTenants.ts"
import type { Issuer } from "../../../src/domain/Issuer.ts"
import { noSettings, withSettings } from "../../../src/domain/Tenant.ts"
import { Access, type AccessRequest } from "../../../src/protocols/Access.ts"
import * as BearerAccess from "../../../src/protocols/BearerAccess.ts"
import { BusConfig } from "../../../src/protocols/BusConfig.ts"

const first: Issuer = { issuer: "https://first.example", audience: "cm", jwksUri: null }
const second: Issuer = { ...first, issuer: "https://second.example" }

/** A tenant whose issuer the test changes while a token is verified. */
const setup = Effect.gen(function* () {
  const world = { issuer: first, during: () => {} }
  const tenant = () =>
    withSettings(
      { tenantId: "acme", name: null, createdAt: 0, removedAt: null },
      { ...noSettings, issuer: world.issuer }
    )
  const parts = Layer.mergeAll(
    AccessConfig.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({})))),
    BusConfig.layerShipped,
    Layer.succeed(KnownTenants, { find: () => Effect.sync(tenant), require: () => Effect.void }),
    Layer.succeed(Verifier, {
      verify: () =>
        Effect.sync(() => {
          world.during()
          return {
            principal: "bearer:acme/anna",
            client: "web",
            grants: grantsOf({ scope: "endpoint:read" }, "tenant")
          }
        }),
      censusUnsafe: () => ({ issuers: 0, tokens: 0, bytes: 0 })
    })
  )
  const context = yield* Layer.build(BearerAccess.layer.pipe(Layer.provide(parts)))
  return { world, access: Context.get(context, Access) }
})

const asked = (more: Partial<AccessRequest>): AccessRequest => ({
  family: "tenant",
  operation: "token.list",
  tenantId: "acme",
  consumer: null,
  bus: { by: "import", account: "ADMIN", user: "anna" },
  authorization: "Bearer x",
  places: Effect.succeed([]),
  ...more
})

describe("a bearer token", () => {
  it.effect("is accepted while the tenant's issuer stays, and refused when it is another one at the end", () =>
    Effect.gen(function* () {
      const { access, world } = yield* setup
      const { known, principal } = yield* access.authorize(asked({}))
      assert.strictEqual(principal, "bearer:acme/anna")
      assert.deepStrictEqual(known, { by: "bearer", account: "ADMIN", user: "anna", client: "web" })
      world.during = () => {
        world.issuer = second
      }
      const refused = yield* Effect.flip(access.authorize(asked({})))
      assert.deepInclude(refused, { _tag: "Unauthenticated", reason: "issuer" })
    })
  )

  it.effect("is counted, as everybody is who asks, by how the caller was known and what came of it", () =>
    Effect.gen(function* () {
      const { access } = yield* setup
      const counted = Effect.map(Metric.snapshot, (all) =>
        all.flatMap(({ attributes, id, state }) =>
          id === "cm_access_total" ? [[attributes?.by, attributes?.outcome, "count" in state ? state.count : null]] : []
        )
      )
      const noIssuer = { authorization: null, tenantId: null }
      yield* access.authorize(asked(noIssuer))
      yield* access.authorize(asked(noIssuer))
      yield* access.authorize(asked({}))
      yield* Effect.flip(access.authorize(asked({ authorization: null })))
      assert.sameDeepMembers(yield* counted, [
        ["import", "allowed", 2],
        ["bearer", "allowed", 1],
        ["import", "missing", 1]
      ])
    }).pipe(Effect.provide(Layer.succeed(Metric.MetricRegistry, new Map())))
  )

  it.effect("does not make its bearer the gateway", () =>
    Effect.gen(function* () {
      const { access } = yield* setup
      const gateways = asked({ family: "gateway", operation: "events" })
      assert.strictEqual((yield* Effect.flip(access.authorize(gateways)))._tag, "Forbidden")
      const bus = { by: "import", account: "GATEWAY", user: "gateway" } as const
      assert.strictEqual((yield* access.authorize({ ...gateways, bus })).principal, "bearer:acme/anna")
    })
  )
})
