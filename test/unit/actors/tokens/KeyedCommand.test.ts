// Verifies R-SEC-17.
/** Keys change while a change waits or is under way: what it looks for and what it writes is under those alive. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { operator, type TenantWorld, tenantWorld } from "../../../support/tenantWorld.ts"
import { hashOf } from "../../../support/validationWorld.ts"

const item = { endpointId: "e", token: "value123", expiresAt: null, description: null }
const byValue = [{ appName: "app", token: "value123" }]
const revoke = { target: "Revoked", expectedVersion: null, reason: null } as const

/** A tenant with an application; and with a token, if wanted. */
const setup = Effect.fnUntraced(function* (withToken: boolean) {
  const world = yield* tenantWorld
  const { tenants } = yield* world.replica("one")
  yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
  yield* tenants.registerApplication("acme", "app", operator)
  if (withToken) yield* tenants.provisionTokens("acme", "app", [item], operator)
  return { world, tenants }
})

/** What the mover does, and the retiring of the old key after it. */
const rotateKeys = ({ keys, tables }: TenantWorld): void => {
  for (const token of tables.tokens.values()) {
    const hash = hashOf(token.appName, "value123", "k2")
    tables.tokenByHash.delete(Buffer.from(token.hash).toString("hex"))
    tables.tokenByHash.set(hash.toString("hex"), token.tokenId)
    tables.tokens.set(token.tokenId, { ...token, hash, hashKeyId: "k2" })
  }
  keys.ids.splice(0, keys.ids.length, "k2")
}

/** The tenant's mailbox stands still, behind a change that is under way, until it is told to go on. */
const block = Effect.fnUntraced(function* ({ faults, store }: TenantWorld, busy: Effect.Effect<unknown, unknown>) {
  const goOn = Deferred.makeUnsafe<void>()
  faults.transact = (...args) => {
    delete faults.transact
    return Effect.andThen(Deferred.await(goOn), store.transact(...args))
  }
  yield* Effect.forkChild(busy, { startImmediately: true })
  yield* TestClock.adjust(0)
  return Deferred.succeed(goOn, undefined)
})
const start = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () => TestClock.adjust(0))

describe("a change that waited while keys were rotated", () => {
  it.effect("finds the token whose hash moved meanwhile", () =>
    Effect.gen(function* () {
      const { tenants, world } = yield* setup(true)
      const goOn = yield* block(world, tenants.registerApplication("acme", "other", operator))
      const waiting = yield* start(tenants.transitionTokens("acme", byValue, revoke, operator))
      rotateKeys(world)
      yield* goOn
      const [result] = yield* Fiber.join(waiting)
      assert.strictEqual(Result.getOrThrow(result!).status, "Revoked")
    })
  )

  it.effect("writes under the key to write with then, and gives no value twice", () =>
    Effect.gen(function* () {
      const { tenants, world } = yield* setup(true)
      const goOn = yield* block(world, tenants.registerApplication("acme", "other", operator))
      const again = yield* start(tenants.provisionTokens("acme", "app", [item], operator))
      const fresh = yield* start(tenants.provisionTokens("acme", "app", [{ ...item, token: "another1" }], operator))
      rotateKeys(world)
      yield* goOn
      const [refused] = yield* Fiber.join(again)
      assert.deepInclude(Result.isFailure(refused!) ? refused.failure : null, { _tag: "TokenExists" })
      const [made] = yield* Fiber.join(fresh)
      const { tokenId } = Result.getOrThrow(made!).record
      assert.strictEqual(world.tables.tokens.get(tokenId)?.hashKeyId, "k2")
    })
  )

  it.effect("is prepared again when they change under it, with what was made before", () =>
    Effect.gen(function* () {
      const { tenants, world } = yield* setup(true)
      let decisions = 0
      const { faults, store } = world
      faults.transact = (tenantId, load, decide) => {
        if (++decisions === 1) rotateKeys(world)
        return store.transact(tenantId, load, decide)
      }
      const [result] = yield* tenants.transitionTokens("acme", byValue, revoke, operator)
      assert.strictEqual(Result.getOrThrow(result!).status, "Revoked")
      assert.strictEqual(decisions, 2)
    })
  )
})

describe("values that are made for new tokens", () => {
  const unnamed = { ...item, token: null }

  it.effect("are drawn when the turn of their change has come, with those of its group", () =>
    Effect.gen(function* () {
      const { tenants, world } = yield* setup(false)
      const goOn = yield* block(world, tenants.registerApplication("acme", "other", operator))
      const waiting = yield* Effect.forEach(["a", "b"], (endpointId) =>
        start(tenants.provisionTokens("acme", "app", [{ ...unnamed, endpointId }, item], operator))
      )
      assert.strictEqual(world.drawn.count, 0)
      yield* goOn
      const made = (yield* Fiber.joinAll(waiting)).map(([first]) => Result.getOrThrow(first!).token)
      assert.strictEqual(world.drawn.count, 2)
      assert.strictEqual(new Set(made).size, 2)
    })
  )

  it.effect("are found by a repetition of their change", () =>
    Effect.gen(function* () {
      const { tenants, world } = yield* setup(false)
      const { faults, keys, store } = world
      const looked: Array<ReadonlyArray<string>> = []
      faults.transact = (tenantId, load, decide) => {
        keys.isCurrent = looked.push(load.tokenHashes) > 1
        return store.transact(tenantId, load, decide)
      }
      yield* tenants.provisionTokens("acme", "app", [unnamed], operator)
      assert.lengthOf(looked, 2)
      assert.deepStrictEqual(looked[0], looked[1])
      assert.strictEqual(world.drawn.count, 1)
    })
  )
})

describe("while keys may be missing", () => {
  it.effect("nothing is looked for or written by value, and what is named by its id goes on", () =>
    Effect.gen(function* () {
      const { tenants, world } = yield* setup(true)
      const [tokenId] = world.tables.tokens.keys()
      world.keys.isCurrent = false
      const asked = [
        tenants.transitionTokens("acme", byValue, revoke, operator),
        tenants.provisionTokens("acme", "app", [{ ...item, token: "another1" }], operator),
        tenants.rotateToken("acme", { tokenId: tokenId!, overlapMs: 0, token: null }, operator)
      ]
      for (const effect of asked) {
        const error = yield* Effect.flip<unknown, unknown, never>(effect)
        assert.deepInclude(error, { _tag: "Unavailable", part: "keys", committed: false })
      }
      assert.strictEqual(world.tables.tokens.size, 1)
      const [result] = yield* tenants.transitionTokens("acme", [{ tokenId: tokenId! }], revoke, operator)
      assert.strictEqual(Result.getOrThrow(result!).status, "Revoked")
    })
  )
})
