// Verifies R-BUS-5, R-REV-8.
/**
 * Answers about a tenant that is removed: none of those remembered for its keys is given to a tenant
 * that has its name afterwards, and none says that it is gone before that is in force.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { ChangeError } from "../../../../src/actors/tenant/Tenants.ts"
import { operator, type TenantWorld, tenantWorld, withKey } from "../../../support/tenantWorld.ts"

type Replica = Effect.Success<ReturnType<TenantWorld["replica"]>>

const create = { tenantId: "acme", name: null }
const item = { endpointId: "e", token: null, expiresAt: null, description: null }
const register = withKey("k1", "application.register")
const provision = withKey("k2", "token.provision")
const remove = withKey("k3", "tenants.remove")

/** A tenant with an application and a token, made with keys. */
const made = Effect.fnUntraced(function* ({ tenants }: Replica) {
  const registered = yield* tenants.registerApplication("acme", "app", register)
  const [provisioned] = yield* tenants.provisionTokens("acme", "app", [item], provision)
  return { created: registered.created, token: provisioned!._tag === "Success" ? provisioned!.success.token : null }
})
/** What the sweeps do: its tokens go, then its applications, then itself. */
const purged = (world: TenantWorld) =>
  Effect.gen(function* () {
    for (const [tokenId, token] of world.tables.tokens) {
      if (token.tenantId === "acme") world.tables.tokens.delete(tokenId)
    }
    yield* world.sweeps.purgeRemoved
    assert.deepStrictEqual(yield* world.store.findTenants(["acme"]), [])
  })

describe("an answer that was remembered for a tenant", () => {
  it.effect("is not given to one that was created again under its name", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const replica = yield* world.replica("one")
      yield* replica.tenants.createTenant(create, operator)
      const first = yield* made(replica)
      // While the tenant is there the keys give the first answers again.
      assert.deepStrictEqual(yield* made(replica), first)
      yield* TestClock.adjust("1 second")
      yield* replica.tenants.removeTenant("acme", remove)
      yield* purged(world)
      yield* TestClock.adjust("1 second")
      yield* replica.tenants.createTenant(create, operator)
      const second = yield* made(replica)
      assert.isTrue(second.created)
      assert.isNotNull(second.token)
      assert.notStrictEqual(second.token, first.token)
      // The key that removed the first removes the second, and does not only say so.
      yield* replica.tenants.removeTenant("acme", remove)
      assert.isNotNull((yield* world.store.findTenants(["acme"]))[0]?.removedAt)
      const gone = yield* Effect.flip(replica.tenants.registerApplication("acme", "app", register))
      assert.strictEqual(gone._tag, "TenantNotFound")
    })
  )

  it.effect("of its removal is given though nothing of it is left, to the same key and the same request only", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant(create, operator)
      const first = yield* tenants.removeTenant("acme", remove)
      yield* purged(world)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* tenants.removeTenant("acme", remove), first)
      for (const [caller, tag] of [
        [operator, "TenantNotFound"],
        [withKey("k9", "tenants.remove"), "TenantNotFound"],
        [withKey("k3", "tenants.remove", "other"), "IdempotencyKeyReused"],
        // Of everything else no answer is given any more.
        [withKey("k1", "application.register"), "TenantNotFound"]
      ] as const) {
        const asked: Effect.Effect<unknown, ChangeError> =
          caller.idempotency?.operation === "application.register"
            ? tenants.registerApplication("acme", "app", caller)
            : tenants.removeTenant("acme", caller)
        assert.strictEqual((yield* Effect.flip(asked))._tag, tag)
      }
    })
  )

  it.effect("of its removal is given as long as it is being removed", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant(create, operator)
      const first = yield* tenants.removeTenant("acme", remove)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* tenants.removeTenant("acme", remove), first)
      assert.strictEqual(world.tables.audit.get("acme")?.filter(({ action }) => action === "tenant.removed").length, 1)
    })
  )
})

describe("a repeated tenants.remove", () => {
  const callers = {
    "with the same key": remove,
    "without a key": operator,
    "with another key": withKey("k4", "tenants.remove")
  }
  it.effect.each(Object.keys(callers) as ReadonlyArray<keyof typeof callers>)(
    "(%s) is answered when the first is in force, on another replica too, and not before",
    (which) =>
      Effect.gen(function* () {
        const world = yield* tenantWorld
        const [one, two] = [yield* world.replica("one"), yield* world.replica("two")]
        yield* one.tenants.createTenant(create, operator)
        world.state.hold = true
        yield* Effect.addFinalizer(() => world.release)
        const ask = ({ tenants }: Replica, caller = callers[which]) =>
          Effect.forkChild(Effect.exit(tenants.removeTenant("acme", caller)), { startImmediately: true })
        const first = yield* ask(one, remove)
        yield* TestClock.adjust("1 second")
        assert.isNotNull((yield* world.store.findTenants(["acme"]))[0]?.removedAt)
        const repeated = [yield* ask(one), yield* ask(two)]
        yield* TestClock.adjust("5 seconds")
        const isAnswered = (fiber: Fiber.Fiber<unknown>) => fiber.pollUnsafe() !== undefined
        assert.deepStrictEqual([first, ...repeated].map(isAnswered), [false, false, false])
        yield* world.release
        yield* TestClock.adjust("1 second")
        const answers = [first, ...repeated].map((fiber) => fiber.pollUnsafe())
        const isDone = answers.map((exit) => exit !== undefined && Exit.isSuccess(exit) && Exit.isSuccess(exit.value))
        assert.notInclude(answers, undefined)
        assert.deepStrictEqual(isDone, [true, which === "with the same key", which === "with the same key"])
      })
  )
})
