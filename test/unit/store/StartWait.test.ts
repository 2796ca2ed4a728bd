/** What a start asks is asked again while nobody answers, and no longer than that helps. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, type Layer } from "effect"
import { TestClock } from "effect/testing"
import type * as crypto from "../../../src/crypto/layer.ts"
import type * as FirstTenants from "../../../src/launch/FirstTenants.ts"
import { atStart, NotAnswered, StartWait, untilAnswered } from "../../../src/store/StartWait.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"

/** Whether a room can fail to start for a question that it asked once. */
type AsksOnce<L extends Layer.Any> = Extract<Layer.Error<L>, StoreUnavailable> extends never ? false : true
const asksOnce: [AsksOnce<typeof crypto.layer>, AsksOnce<typeof FirstTenants.layer>] = [false, false]

const unanswered = new StoreUnavailable({ operation: "Keys.read", outcome: "none", isPassing: true })
const refused = new StoreUnavailable({ operation: "Keys.read", outcome: "none", isPassing: false })

/** Fails so often, then answers. */
const failing = (errors: ReadonlyArray<StoreUnavailable>) => {
  let asked = 0
  const question = Effect.suspend(() => {
    const error = errors[asked++]
    return error === undefined ? Effect.succeed("keys") : Effect.fail(error)
  })
  return { question: question.pipe(atStart("keys")), asked: () => asked }
}
const limited = Effect.provideService(StartWait, Duration.seconds(2))

describe("a question at the start", () => {
  it("is none that is asked once, of whatever makes keys and first tenants", () => {
    assert.notInclude(asksOnce, true)
  })

  it.effect("is asked again until it is answered", () =>
    Effect.gen(function* () {
      const { asked, question } = failing([unanswered, unanswered, unanswered])
      const running = yield* Effect.forkChild(question.pipe(limited), { startImmediately: true })
      yield* TestClock.adjust("750 millis")
      assert.strictEqual(yield* Fiber.join(running), "keys")
      assert.strictEqual(asked(), 4)
    })
  )

  it.effect("is asked again after the pause that it says", () =>
    Effect.gen(function* () {
      let asked = 0
      const question = Effect.suspend(() => (++asked < 3 ? Effect.fail("busy") : Effect.succeed("there")))
      const waiting = { what: "a table", limit: Duration.seconds(20), passingOf: () => "busy", gaveUp: () => "gave up" }
      const running = yield* Effect.forkChild(untilAnswered(question, { ...waiting, pause: Duration.seconds(3) }), {
        startImmediately: true
      })
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(asked, 1)
      yield* TestClock.adjust("1 milli")
      assert.strictEqual(asked, 2)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(running), "there")
    })
  )

  it.effect("is given up after its time, and once where it has none", () =>
    Effect.gen(function* () {
      const { asked, question } = failing(Array.from({ length: 100 }, () => unanswered))
      const running = yield* Effect.forkChild(Effect.flip(question.pipe(limited)), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      const error = yield* Fiber.join(running)
      assert.instanceOf(error, NotAnswered)
      assert.strictEqual(
        error.message,
        "MariaDB did not answer within 2s when asked for keys, last Keys.read failed, outcome none"
      )
      assert.strictEqual(asked(), 9)
      yield* Effect.flip(question)
      assert.strictEqual(asked(), 10)
    })
  )

  it.effect("is not asked again where that helps nothing", () =>
    Effect.gen(function* () {
      const { asked, question } = failing([refused])
      const error = yield* Effect.flip(question.pipe(limited))
      assert.strictEqual(error.message, "MariaDB does not give keys: Keys.read failed, outcome none")
      assert.strictEqual(asked(), 1)
    })
  )
})
