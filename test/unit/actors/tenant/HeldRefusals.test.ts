// Verifies R-LIM-3.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as HeldRefusals from "../../../../src/actors/tenant/HeldRefusals.ts"

describe("a refusal of what is over a limit", () => {
  it.effect("is told a moment later, once; one too many or too large at once; and all of them at the end", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      const refusals = yield* HeldRefusals.make
      const hold = (n: number, bytes = 0) => refusals.hold(bytes, () => void told.push(n))
      hold(1)
      hold(2, HeldRefusals.heldBytesMax + 1)
      assert.deepStrictEqual(told, [2])
      yield* TestClock.adjust(HeldRefusals.holdMs - 1)
      assert.deepStrictEqual(told, [2])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(told, [2, 1])
      for (let n = 0; n < HeldRefusals.heldMax; n++) hold(3)
      hold(4)
      assert.deepStrictEqual(told, [2, 1, 4])
      yield* refusals.end
      assert.lengthOf(told, 3 + HeldRefusals.heldMax)
      hold(5)
      assert.strictEqual(told.at(-1), 5)
      yield* TestClock.adjust(HeldRefusals.holdMs)
      assert.lengthOf(told, 4 + HeldRefusals.heldMax)
    })
  )

  it.effect("that meets a bug holds up no other, later and at the end", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      const refusals = yield* HeldRefusals.make
      const holdThree = () => {
        refusals.hold(0, () => void told.push(1))
        refusals.hold(0, () => {
          throw new Error("a bug")
        })
        refusals.hold(0, () => void told.push(2))
      }
      holdThree()
      yield* TestClock.adjust(HeldRefusals.holdMs)
      assert.deepStrictEqual(told, [1, 2])
      holdThree()
      yield* refusals.end
      assert.deepStrictEqual(told, [1, 2, 1, 2])
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("that came with others is not told with all of them in one turn of the loop", () =>
    Effect.gen(function* () {
      const refusals = yield* HeldRefusals.make
      let [told, toldInTurn, most] = [0, 0, 0]
      const count = 10 * HeldRefusals.toldAtOnce
      for (let n = 0; n < count; n++) {
        refusals.hold(0, () => {
          told++
          most = Math.max(most, ++toldInTurn)
        })
      }
      const turn = () => {
        toldInTurn = 0
        if (told < count) setImmediate(turn)
      }
      setImmediate(turn)
      yield* TestClock.adjust(HeldRefusals.holdMs)
      while (told < count) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.isAtMost(most, 3 * HeldRefusals.toldAtOnce)
    })
  )
})
