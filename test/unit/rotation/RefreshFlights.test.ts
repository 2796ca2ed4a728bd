// Verifies R-REF-8.
/** Refreshes that are under way: who joins which, and that each of them ends, whatever becomes of it. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { Keyring } from "../../../src/crypto/Keyring.ts"
import { Unavailable } from "../../../src/domain/errors.ts"
import { servicePrincipal } from "../../../src/domain/Principal.ts"
import * as Seldom from "../../../src/observability/Seldom.ts"
import { Shutdown } from "../../../src/observability/Shutdown.ts"
import type { Ended } from "../../../src/rotation/Ended.ts"
import type { Attempt } from "../../../src/rotation/RefreshAttempt.ts"
import * as RefreshFlights from "../../../src/rotation/RefreshFlights.ts"
import { type Asking, ofNobody } from "../../../src/rotation/RefreshJob.ts"
import * as RefreshWork from "../../../src/rotation/RefreshWork.ts"
import { RefreshStore } from "../../../src/store/RefreshStore.ts"
import { keyringOf } from "../../support/validationWorld.ts"

const id = "01900000-0000-7000-8000-000000000001"
const refreshed = (version: number): Ended => ({ _tag: "Refreshed", version })
const asked = (over: Partial<Asking> = {}): Asking => ({
  ...ofNobody("demo", id),
  caller: { ...servicePrincipal("service"), correlationId: "c", idempotency: null },
  asked: true,
  ...over
})

/** Over attempts that a test makes up. */
const begin = (
  attempt: Attempt,
  store: Parameters<typeof Layer.mock<RefreshStore, RefreshStore["Service"]>>[1] = {}
) => {
  const parts = Layer.mergeAll(
    Shutdown.layer,
    Layer.mock(RefreshStore, store),
    Layer.succeed(
      Keyring,
      keyringOf(["k1"], () => true)
    ),
    Logger.layer([])
  )
  return Effect.gen(function* () {
    const context = yield* Layer.build(parts)
    const make = Effect.gen(function* () {
      const work = yield* RefreshWork.make
      return yield* RefreshFlights.make({ claimMs: 55_000, doubtMs: 300_000 }, work, attempt, yield* Seldom.make)
    })
    return yield* Effect.provide(make, context)
  })
}

describe("a refresh under way", () => {
  it.effect("is one for all who ask meanwhile, and another one for who asks behind it", () =>
    Effect.gen(function* () {
      let count = 0
      const gate = Deferred.makeUnsafe<void>()
      const { join } = yield* begin(() => Effect.suspend(() => Effect.as(Deferred.await(gate), refreshed(++count))))
      const two = yield* Effect.forkChild(Effect.all([join(asked()), join(asked())], { concurrency: 2 }), {
        startImmediately: true
      })
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Fiber.join(two), [refreshed(1), refreshed(1)])
      assert.deepStrictEqual(yield* join(asked()), refreshed(2))
    })
  )

  it.effect("ends for who waits, and keeps nobody from the next one, though what is said of its failure dies too", () =>
    Effect.gen(function* () {
      const bug = new Error("a bug")
      let count = 0
      const { join } = yield* begin(() => (++count === 1 ? Effect.die(bug) : Effect.succeed(refreshed(count))), {
        rest: () => Effect.die(bug)
      })
      assert.deepStrictEqual(yield* join(ofNobody("demo", id)), { _tag: "Died", defect: bug })
      assert.deepStrictEqual(yield* join(asked()), refreshed(2))
    })
  )

  it.effect(
    "that nobody waited for and was put off is made for who joined it, and one of another version for who expects none",
    () =>
      Effect.gen(function* () {
        const gate = Deferred.makeUnsafe<void>()
        const made: Array<boolean> = []
        const { join } = yield* begin((job) =>
          Effect.suspend(() => {
            made.push(job.asked)
            return job.asked ? Effect.succeed(refreshed(2)) : Effect.as(Deferred.await(gate), { _tag: "Idle" } as const)
          })
        )
        const first = yield* Effect.forkChild(join(ofNobody("demo", id)), { startImmediately: true })
        const second = yield* Effect.forkChild(join(asked()), { startImmediately: true })
        yield* Deferred.succeed(gate, undefined)
        assert.deepStrictEqual(yield* Fiber.join(first), { _tag: "Idle" })
        assert.deepStrictEqual(yield* Fiber.join(second), refreshed(2))
        assert.deepStrictEqual(made, [false, true])
      })
  )

  it.effect("of one tenant is none of another's credential of the same number", () =>
    Effect.gen(function* () {
      const gate = Deferred.makeUnsafe<void>()
      const { join } = yield* begin(({ tenantId }) =>
        tenantId === "demo" ? Effect.as(Deferred.await(gate), refreshed(1)) : Effect.succeed(refreshed(2))
      )
      const first = yield* Effect.forkChild(join(asked()), { startImmediately: true })
      const other = yield* Effect.forkChild(join(asked({ tenantId: "other" })), { startImmediately: true })
      for (let turns = 0; turns < 20; turns++) yield* Effect.yieldNow
      const seen = other.pollUnsafe()
      // Whatever came of it, so that the replica's end does not wait for it.
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(first)
      assert.deepStrictEqual(seen, Exit.succeed(refreshed(2)))
    })
  )

  it.effect("that failed without a bug is told as it failed", () =>
    Effect.gen(function* () {
      const error = new Unavailable({ part: "database", committed: false })
      const { join } = yield* begin(() => Effect.fail(error))
      assert.deepStrictEqual(yield* join(asked()), { _tag: "Failed", error })
    })
  )
})
