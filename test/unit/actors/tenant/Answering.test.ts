// Verifies R-LIM-3.
/** Who waits for an answer is woken in order, after whoever answered has gone on, and before the end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Answering from "../../../../src/actors/tenant/Answering.ts"
import { turnsOfLoop } from "../../../support/turnsOfLoop.ts"

describe("answering", () => {
  it.effect("wakes in order, when the one who answers has gone on", () =>
    Effect.gen(function* () {
      const answering = yield* Answering.make
      const seen: Array<string> = []
      for (const name of ["a", "b"]) answering.later(() => seen.push(name))
      seen.push("gone on")
      yield* answering.settled
      assert.deepStrictEqual(seen, ["gone on", "a", "b"])
    })
  )

  it.effect("wakes the others when one of them meets a bug, and those that come while it wakes", () =>
    Effect.gen(function* () {
      const answering = yield* Answering.make
      const seen: Array<string> = []
      answering.later(() => {
        answering.later(() => seen.push("c"))
        throw new Error("on purpose")
      })
      answering.later(() => seen.push("b"))
      yield* answering.settled
      assert.deepStrictEqual(seen, ["b", "c"])
    })
  )

  it.effect("wakes a large group in several turns of the loop, in order", () =>
    Effect.gen(function* () {
      const answering = yield* Answering.make
      const turns = turnsOfLoop()
      const seen: Array<{ readonly n: number; readonly turn: number }> = []
      const count = 3 * Answering.wokenAtOnce
      for (let n = 0; n < count; n++) answering.later(() => seen.push({ n, turn: turns.now() }))
      yield* answering.settled
      turns.end()
      assert.deepStrictEqual(
        seen.map(({ n }) => n),
        Array.from({ length: count }, (_, n) => n)
      )
      const inTurn = new Map<number, number>()
      for (const { turn } of seen) inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1)
      assert.isAtMost(Math.max(...inTurn.values()), Answering.wokenAtOnce)
    })
  )

  it.effect("begins anew", () =>
    Effect.gen(function* () {
      const answering = yield* Answering.make
      const seen: Array<string> = []
      for (const name of ["a", "b"]) {
        answering.later(() => seen.push(name))
        yield* answering.settled
      }
      assert.deepStrictEqual(seen, ["a", "b"])
    })
  )
})
