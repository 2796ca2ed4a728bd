/** One row that cannot be read keeps no other from being swept. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as RowsAside from "../../../../src/actors/tenant/RowsAside.ts"
import { Unavailable } from "../../../../src/domain/errors.ts"

const ids = Array.from({ length: 100 }, (_, n) => `row-${n}`)

/** Changes what is not broken; dies of a piece that has a broken row. */
const world = (broken: ReadonlySet<string>) => {
  const changed: Array<string> = []
  const pieces: Array<ReadonlyArray<string>> = []
  const change = RowsAside.around("test", (_, piece: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      pieces.push(piece)
      const bad = piece.find((id) => broken.has(id))
      if (bad !== undefined) return Effect.die(new Error(`column 7 of ${bad}`))
      changed.push(...piece)
      return Effect.succeed(piece.length)
    })
  )
  return { change, changed, pieces }
}

describe("rows that a sweep changes together", () => {
  it.effect("are all changed but for those that it dies of", () =>
    Effect.gen(function* () {
      for (const broken of [[], ["row-0"], ["row-99"], ["row-3", "row-4", "row-70"], ids]) {
        const { change, changed } = world(new Set(broken))
        assert.strictEqual(yield* change("acme", ids), ids.length - broken.length)
        assert.deepStrictEqual(
          changed,
          ids.filter((id) => !broken.includes(id))
        )
      }
    })
  )

  it.effect("leave one that was put aside alone for a while, and look at it again then", () =>
    Effect.gen(function* () {
      const broken = new Set(["row-5"])
      const { change, changed, pieces } = world(broken)
      yield* change("acme", ids)
      // It may have died of what was over a moment later.
      yield* change("acme", ["row-5"])
      assert.deepStrictEqual(pieces.at(-1), ["row-5"])
      pieces.length = 0
      assert.strictEqual(yield* change("acme", ["row-5", "other"]), 1)
      assert.strictEqual(yield* change("acme", ["row-5"]), 0)
      assert.deepStrictEqual(pieces, [["other"]])
      broken.clear()
      yield* TestClock.adjust(RowsAside.asideMs)
      assert.strictEqual(yield* change("acme", ["row-5"]), 1)
      assert.include(changed, "row-5")
    })
  )

  it.effect("are not taken apart for what passes", () =>
    Effect.gen(function* () {
      let asked = 0
      const change = RowsAside.around("test", () =>
        Effect.suspend(() => {
          asked += 1
          return Effect.fail(new Unavailable({ part: "database", committed: false }))
        })
      )
      assert.strictEqual((yield* Effect.flip(change("acme", ids)))._tag, "Unavailable")
      assert.strictEqual(asked, 1)
    })
  )
})
