// Verifies R-BUS-10, R-BUS-14.
/** Validations of a tenant of which MariaDB does not say whether it is there. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ActorsConfig } from "../../../../src/actors/tenant/ActorsConfig.ts"
import * as validations from "../../../../src/actors/tokens/validations.ts"
import { KnownTenants } from "../../../../src/actors/validation/KnownTenants.ts"
import { Validator } from "../../../../src/actors/validation/Validator.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { operator, tenantWorld } from "../../../support/tenantWorld.ts"

const good = { appName: "app", token: "value-1" }
const unknown = { appName: "app", token: "value-2" }
const malformed = { appName: "app", token: "a/b" }

/** `acme` has a token, of which the replica `two` knows nothing yet, as of the tenant. */
const setup = Effect.gen(function* () {
  const world = yield* tenantWorld
  const one = yield* world.replica("one")
  yield* one.tenants.createTenant({ tenantId: "acme", name: null }, operator)
  yield* one.tenants.registerApplication("acme", "app", operator)
  const item = { endpointId: "e", token: good.token, expiresAt: null, description: null }
  yield* one.tenants.provisionTokens("acme", "app", [item], operator)
  const { tenants } = yield* world.replica("two")
  const statuses = (...items: ReadonlyArray<typeof good>) =>
    Effect.map(tenants.validate("acme", items, { dryRun: true }), (answers) =>
      answers.map(({ statusCode }) => statusCode)
    )
  return { world, tenants, statuses }
})

it.effect("a token that is known says that its tenant is there: nobody asks for that", () =>
  Effect.gen(function* () {
    const { statuses, world } = yield* setup
    world.faults.findTenants = () => Effect.die("asked whether the tenant is there")
    assert.deepStrictEqual(yield* statuses(good), [200])
    assert.deepStrictEqual(yield* statuses(unknown, good, malformed), [404, 200, 400])
  })
)

it.effect("without a word of the tenant an unknown token is 503 by itself, in the time that a miss has", () =>
  Effect.gen(function* () {
    const { statuses, world } = yield* setup
    world.faults.findTenants = () => Effect.never
    const asked = yield* Effect.forkChild(statuses(unknown, malformed), { startImmediately: true })
    yield* TestClock.adjust("1999 millis")
    assert.isUndefined(asked.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    assert.deepStrictEqual(yield* Fiber.join(asked), [503, 400])
    world.faults.findTenants = () => Effect.fail(new StoreUnavailable({ operation: "findTenants", outcome: "none" }))
    assert.deepStrictEqual(yield* statuses(unknown, malformed), [503, 400])
  })
)

it.effect("a tenant that is not there has no tokens of another one", () =>
  Effect.gen(function* () {
    const { statuses, tenants } = yield* setup
    assert.deepStrictEqual(yield* statuses(good), [200])
    for (const item of [good, unknown, malformed]) {
      const refused = yield* Effect.flip(tenants.validate("beta", [item], { dryRun: true }))
      assert.strictEqual(refused._tag, "TenantNotFound")
    }
  })
)

it.effect("where MariaDB does not say what any of the tokens is, nobody waits for it a second time", () =>
  Effect.gen(function* () {
    const { validate } = yield* validations.make(() => Effect.die("asked"))
    const answers = yield* validate("acme", [good, unknown], true)
    assert.deepStrictEqual(
      answers.map(({ statusCode }) => statusCode),
      [503, 503]
    )
  }).pipe(
    Effect.provide(ActorsConfig.layer),
    Effect.provideService(KnownTenants, {
      find: () => Effect.die("asked"),
      require: () => Effect.die("asked whether the tenant is there")
    }),
    Effect.provideService(Validator, {
      answerUnsafe: () => {},
      validateUnsafe: (_tenantId, _appName, _token, _dryRun, done) =>
        done({ statusCode: 503, reasonPhrase: null, tokenId: null, endpointId: null, status: null }),
      writeUnsafe: () => false,
      tenantOfUnsafe: () => null,
      drained: () => Promise.resolve(),
      inFlight: () => 0
    })
  )
)
