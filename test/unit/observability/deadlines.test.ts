/** Many waits of one length: each is over in its time, whatever becomes of the others. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Deadlines from "../../../src/observability/Deadlines.ts"

describe("deadlines", () => {
  it.effect("are told once each, in their time and order", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make("test", "10 seconds")
      const over: Array<string> = []
      deadlines.begin(() => over.push("a"))
      yield* TestClock.adjust("4 seconds")
      deadlines.begin(() => over.push("b"))
      yield* TestClock.adjust("5999 millis")
      assert.deepStrictEqual(over, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(over, ["a"])
      yield* TestClock.adjust("3999 millis")
      assert.deepStrictEqual(over, ["a"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(over, ["a", "b"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(over, ["a", "b"])
    })
  )

  it.effect("are not told of a wait that has ended, and begin anew after a time without any", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make("test", "10 seconds")
      const over: Array<string> = []
      const end = deadlines.begin(() => over.push("a"))
      yield* TestClock.adjust("9 seconds")
      deadlines.begin(() => over.push("b"))
      end()
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(over, [])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(over, ["b"])
      deadlines.begin(() => over.push("c"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(over, ["b", "c"])
    })
  )

  it.effect("go on after one of them died", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make("test", "10 seconds")
      const over: Array<string> = []
      deadlines.begin(() => {
        throw new Error("on purpose")
      })
      deadlines.begin(() => over.push("b"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(over, ["b"])
    })
  )
})
