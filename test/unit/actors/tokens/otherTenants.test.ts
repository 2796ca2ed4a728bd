// Verifies R-ACC-7, R-TOK-7, R-TOK-8, R-PLT-3.
/** What belongs to another tenant, or is out of service, is nothing of one's own; and no tenant stands in another's way. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Logger, References, Result } from "effect"
import { takeOutOfService } from "../../../../src/actors/tokens/commands/service.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { operator, tenantWorld } from "../../../support/tenantWorld.ts"

const item = (endpointId: string, token: string) => ({ endpointId, token, expiresAt: null, description: null })
const page = { limit: 10, after: null }

/** `acme` has the application `app` with one token, `beta` has `other`. */
const setup = Effect.gen(function* () {
  const world = yield* tenantWorld
  const { commit, tenants } = yield* world.replica("one")
  for (const [tenantId, appName] of [
    ["acme", "app"],
    ["beta", "other"]
  ] as const) {
    yield* tenants.createTenant({ tenantId, name: null }, operator)
    yield* tenants.registerApplication(tenantId, appName, operator)
    const [made] = yield* tenants.provisionTokens(tenantId, appName, [item("e", `value-${tenantId}`)], operator)
    assert.isTrue(Result.isSuccess(made!))
  }
  const isUsable = (appName: string, token: string) =>
    Effect.map(
      tenants.validate(appName === "app" ? "acme" : "beta", [{ appName, token }], { dryRun: true }),
      ([answer]) => answer?.statusCode === 200
    )
  return { world, commit, tenants, isUsable }
})

it.effect("another tenant's application can be neither removed, nor registered, nor listed by its name", () =>
  Effect.gen(function* () {
    const { isUsable, tenants } = yield* setup
    assert.strictEqual(
      (yield* Effect.flip(tenants.removeApplication("beta", "app", operator)))._tag,
      "ApplicationNotFound"
    )
    const taken = yield* Effect.flip(tenants.registerApplication("beta", "app", operator))
    assert.deepInclude(taken, { _tag: "ApplicationExists", reason: "taken" })
    const listed = yield* tenants.listApplications("beta", { ...page, among: ["app", "other"] })
    assert.deepStrictEqual(
      listed.content.map(({ appName }) => appName),
      ["other"]
    )
    assert.isTrue(yield* isUsable("app", "value-acme"))
    assert.strictEqual((yield* tenants.registerApplication("acme", "app", operator)).created, false)
  })
)

it.effect("tokens of an application out of service are shown to nobody", () =>
  Effect.gen(function* () {
    const { commit, tenants } = yield* setup
    const ids = Effect.map(
      tenants.listTokens("acme", { ...page, appName: null, endpointId: null, statuses: ["Inactive"], order: "DESC" }),
      ({ content }) => content.length
    )
    assert.strictEqual(yield* ids, 1)
    yield* commit.serve("acme", [
      { command: takeOutOfService("app", "deleted", Number.MAX_SAFE_INTEGER, operator), reply: () => {} }
    ])
    assert.strictEqual(yield* ids, 0)
  })
)

it.effect("an endpoint loses its tokens in every tenant, though one of these is gone meanwhile", () =>
  Effect.gen(function* () {
    const { isUsable, tenants } = yield* setup
    yield* tenants.removeTenant("acme", operator)
    const { deleted } = yield* tenants.unregisterEndpoint("e", operator)
    assert.strictEqual(deleted, 1)
    assert.isFalse(yield* isUsable("other", "value-beta"))
  })
)

it.effect(
  "an endpoint loses its tokens in every other tenant, where one of these cannot be changed: that is told",
  () =>
    Effect.gen(function* () {
      const { isUsable, tenants, world } = yield* setup
      const real = world.store.transact
      world.faults.transact = (tenantId, ...rest) =>
        tenantId === "acme" ? Effect.die(new Error("a row that cannot be read")) : real(tenantId, ...rest)
      const lines: Array<string> = []
      const unregistered = tenants
        .unregisterEndpoint("e", operator)
        .pipe(
          Effect.provide(Logger.layer([Logger.make(({ message }) => lines.push(JSON.stringify(message)))])),
          Effect.provideService(References.MinimumLogLevel, "Info")
        )
      assert.isTrue(Exit.hasDies(yield* Effect.exit(unregistered)))
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("stay in one tenant")).map((line) => /"tenantId":"\w+"/u.exec(line)?.[0]),
        ['"tenantId":"acme"']
      )
      assert.isFalse(yield* isUsable("other", "value-beta"))
    })
)

it.effect(
  "what an unregistered endpoint leads to is asked again as long as a tenant cannot be asked, whatever another one says",
  () =>
    Effect.gen(function* () {
      const { tenants, world } = yield* setup
      const away = new StoreUnavailable({ operation: "transact", outcome: "none" })
      for (const first of ["acme", "beta"]) {
        world.faults.transact = (tenantId) => (tenantId === first ? Effect.die(new Error("a bug")) : Effect.fail(away))
        const error = yield* Effect.flip(tenants.unregisterEndpoint("e", operator))
        assert.strictEqual(error._tag, "Unavailable")
      }
    })
)
