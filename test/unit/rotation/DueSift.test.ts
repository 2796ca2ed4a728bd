// Verifies R-REF-29.
/** A walk over what is due, over a store that has many pages of it and says which it was asked for. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Keyring } from "../../../src/crypto/Keyring.ts"
import * as Seldom from "../../../src/observability/Seldom.ts"
import * as DueSift from "../../../src/rotation/DueSift.ts"
import { RefreshStore } from "../../../src/store/RefreshStore.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { keyringOf } from "../../support/validationWorld.ts"

const begin = (pages: number) => {
  const asked: Array<number> = []
  const seen = { isAway: false }
  const store = Layer.mock(RefreshStore, {
    sift: ({ after }) =>
      Effect.suspend(() => {
        if (seen.isAway) return Effect.fail(new StoreUnavailable({ operation: "sift", outcome: "none" }))
        const page = after === null ? 0 : after.dueAt
        asked.push(page)
        return Effect.succeed({ changed: [], next: page + 1 < pages ? { dueAt: page + 1, credentialId: "" } : null })
      })
  })
  const keys = Layer.succeed(
    Keyring,
    keyringOf(["k1"], () => true)
  )
  return Effect.gen(function* () {
    return { asked, seen, sift: yield* DueSift.make(1_000, yield* Seldom.make) }
  }).pipe(Effect.provide([store, keys]))
}
const from = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)

describe("a walk over what is due", () => {
  it.effect("goes on page by page to the end, and begins again there", () =>
    Effect.gen(function* () {
      const { asked, sift } = yield* begin(3)
      yield* sift
      assert.deepStrictEqual(asked, [0, 1, 2])
      yield* TestClock.adjust("1 second")
      yield* sift
      assert.deepStrictEqual(asked, [0, 1, 2, 0, 1, 2])
    })
  )

  it.effect("is made once a second at most, by one at a time", () =>
    Effect.gen(function* () {
      const { asked, sift } = yield* begin(1)
      for (let count = 0; count < 9; count++) yield* sift
      yield* TestClock.adjust("999 millis")
      yield* sift
      assert.lengthOf(asked, 1)
      yield* TestClock.adjust("1 millis")
      yield* Effect.all([sift, sift], { concurrency: 2 })
      assert.lengthOf(asked, 2)
    })
  )

  it.effect("reads so many pages at most, and goes on there the next time, though it failed meanwhile", () =>
    Effect.gen(function* () {
      const { asked, seen, sift } = yield* begin(40)
      yield* sift
      assert.deepStrictEqual(asked, from(0, 16))
      seen.isAway = true
      yield* TestClock.adjust("1 second")
      yield* sift
      seen.isAway = false
      yield* TestClock.adjust("1 second")
      yield* sift
      assert.deepStrictEqual(asked, from(0, 32))
    })
  )
})
