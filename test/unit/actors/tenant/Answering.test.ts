/** Who waits for an answer is woken in order, after whoever answered has gone on, and before the end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Answering from "../../../../src/actors/tenant/Answering.ts"

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
