// Verifies R-REV-7, R-DUR-4, R-DUR-6.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { operator, type TenantWorld, tenantWorld, withKey } from "../../../support/tenantWorld.ts"

/** The next transaction decides, is not committed, and nobody can say so. */
const loseNextCommit = ({ faults, store }: TenantWorld): void => {
  faults.transact = (tenantId, load, decide) => {
    delete faults.transact
    const decided = store.transact(tenantId, load, (loaded) => {
      decide(loaded)
      return { changes: nothing, result: null }
    })
    return Effect.andThen(decided, new StoreUnavailable({ operation: "test", outcome: "unknown" }))
  }
}
const nothing = {
  tokensInserted: [],
  tokensUpdated: [],
  tokensDeleted: [],
  applicationsInserted: [],
  applicationsRemoved: [],
  tenantRemoved: false,
  revocation: null,
  outbox: [],
  idempotent: [],
  audit: []
}

describe("a commit whose outcome is unknown", () => {
  it.effect("makes its tenant no slower than one read, when it did not happen", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { beliefs, tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const item = { endpointId: "e", token: "value123", expiresAt: null, description: null }
      yield* tenants.provisionTokens("acme", "app", [item], operator)
      const validate = Effect.gen(function* () {
        const answers = yield* tenants.validate("acme", [{ appName: "app", token: "value123" }], { dryRun: true })
        assert.strictEqual(answers[0]?.statusCode, 200)
      })
      yield* validate
      assert.strictEqual(beliefs.hotCount(), 1)
      loseNextCommit(world)
      const lost = yield* Effect.flip(tenants.removeApplication("acme", "app", operator))
      assert.deepInclude(lost, { _tag: "Unavailable", committed: null })
      assert.strictEqual(beliefs.hotCount(), 0)
      yield* validate
      assert.strictEqual(beliefs.hotCount(), 1)
    })
  )
})

describe("the answer to a key", () => {
  it.effect("is kept for its time, to the millisecond, and no longer", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      const register = (appName: string) =>
        Effect.exit(tenants.registerApplication("acme", appName, withKey("k", "application.register", appName)))
      assert.isTrue(Exit.isSuccess(yield* register("one")))
      const livesMs = 24 * 3_600_000
      // As if all of it had been so long ago.
      const laterBy = (ms: number) => {
        const tenant = world.tables.tenants.get("acme")!
        world.tables.tenants.set("acme", { ...tenant, createdAt: tenant.createdAt - ms })
        for (const [key, answer] of world.tables.idempotency) {
          world.tables.idempotency.set(key, { ...answer, createdAt: answer.createdAt - ms })
        }
      }
      laterBy(livesMs - 1)
      assert.isTrue(Exit.isSuccess(yield* register("one")))
      assert.isTrue(Exit.isFailure(yield* register("two")), "another request with the same key")
      laterBy(1)
      assert.isTrue(Exit.isSuccess(yield* register("two")))
    })
  )
})

describe("a group that dies after its commit", () => {
  const appNames = ["one", "two", "three"]
  const bug = () => {
    throw new Error("died on purpose")
  }
  /** Three commands of one group: nobody is answered before all of it is committed. */
  const groupOf = Effect.fnUntraced(function* (world: TenantWorld) {
    const { tenants } = yield* world.replica("one")
    yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
    let transactions = 0
    world.faults.transact = (...args) => {
      transactions += 1
      return world.store.transact(...args)
    }
    const asked = yield* Effect.forEach(appNames, (appName) =>
      Effect.forkChild(Effect.flip(tenants.registerApplication("acme", appName, operator)), { startImmediately: true })
    )
    // Far less than a request may take: who has no answer by then was forgotten.
    yield* TestClock.adjust("1 second")
    const answers = asked.map((fiber) => fiber.pollUnsafe())
    yield* Fiber.interruptAll(asked)
    return { tenants, answers, transactions: () => transactions }
  })
  const registered = (world: TenantWorld): ReadonlyArray<string> =>
    (world.tables.audit.get("acme") ?? [])
      .filter(({ action }) => action === "application.registered")
      .map(({ entityId }) => entityId)

  it.effect("is not run again: all of it are told that it is done, and the actor goes on", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      let calls = 0
      world.faults.announce = () => (++calls === 2 ? bug() : undefined)
      const { answers, tenants, transactions } = yield* groupOf(world)
      assert.strictEqual(transactions(), 1)
      assert.deepStrictEqual(registered(world), appNames)
      for (const answer of answers) {
        const error = answer !== undefined && Exit.isSuccess(answer) ? answer.value : null
        assert.deepInclude(error, { _tag: "Unavailable", committed: true }, "somebody has no answer")
      }
      const again = yield* tenants.registerApplication("acme", "one", operator)
      assert.isFalse(again.created)
      assert.isTrue((yield* tenants.registerApplication("acme", "four", operator)).created)
    })
  )

  it.effect("with its barrier is answered as a bug, and the actor goes on", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      world.faults.putInForce = () => Effect.sync(bug)
      const exit = yield* Effect.exit(tenants.removeApplication("acme", "app", operator))
      assert.isTrue(Exit.hasDies(exit))
      delete world.faults.putInForce
      assert.isTrue((yield* tenants.registerApplication("acme", "four", operator)).created)
    })
  )
})
