// Verifies R-SEC-4.
/** The order in which pages are read, made and written, whatever each of the three takes. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as MovePages from "../../../src/crypto/MovePages.ts"

const rowsPerSecond = 2
const pageRows = 2

/** Rows 1 to `count` in pages of two; each step waits for what the test says of it. */
const moving = (count: number) => {
  const left = new Set(Array.from({ length: count }, (_, n) => n + 1))
  const steps: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<void>>()
  /** From `endAt` on nothing can be moved now. */
  const stop = { isOurs: true, endAt: Number.POSITIVE_INFINITY }
  const step = (name: string) =>
    Effect.suspend(() => {
      steps.push(name)
      const gate = gates.get(name)
      return gate === undefined ? Effect.void : Deferred.await(gate)
    })
  const work: MovePages.Moving<number, number, never> = {
    read: (after) =>
      Effect.suspend(() => {
        const rows = Array.from(left)
          .filter((row) => row > (after ?? 0))
          .slice(0, pageRows)
        return Effect.as(step(`read ${rows.join()}`), { rows, last: rows.length < pageRows ? null : rows.at(-1)! })
      }),
    make: (rows) => {
      const isEnd = (rows[0] ?? 0) >= stop.endAt
      return Effect.as(step(`make ${rows.join()}`), { moves: isEnd ? [] : rows, givenUp: 0, isEnd })
    },
    write: (moves) =>
      Effect.map(step(`write ${moves.join()}`), () => {
        for (const move of moves) left.delete(move)
        return moves.length
      })
  }
  const walk = MovePages.make(
    Effect.sync(() => stop.isOurs),
    15_000,
    rowsPerSecond
  )(work)
  const hold = (name: string) => Effect.map(Deferred.make<void>(), (gate) => gates.set(name, gate))
  const release = (name: string) => Deferred.succeed(gates.get(name)!, undefined)
  return { walk, steps, left, stop, hold, release }
}

describe("pages of rows", () => {
  it.effect("while a page is written the next one is made and the one behind that is read, and nothing further", () =>
    Effect.gen(function* () {
      const { hold, left, release, steps, walk } = moving(9)
      yield* hold("write 1,2")
      const fiber = yield* Effect.forkChild(walk, { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.sameMembers(steps, ["read 1,2", "make 1,2", "read 3,4", "write 1,2", "make 3,4", "read 5,6"])
      yield* release("write 1,2")
      yield* TestClock.adjust("1 minute")
      assert.isDefined(fiber.pollUnsafe(), "it ends")
      assert.deepStrictEqual(
        steps.filter((step) => /^write ./u.test(step)),
        ["write 1,2", "write 3,4", "write 5,6", "write 7,8", "write 9"]
      )
      assert.strictEqual(left.size, 0)
    })
  )

  it.effect("nothing is written faster than the rate, however far ahead it is read and made", () =>
    Effect.gen(function* () {
      const { left, walk } = moving(9)
      const fiber = yield* Effect.forkChild(walk, { startImmediately: true })
      const counts: Array<number> = []
      for (let second = 0; second < 6; second++) {
        counts.push(left.size)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(counts, [7, 5, 3, 1, 0, 0])
      yield* Fiber.join(fiber)
    })
  )

  it.effect("who lost the claim writes nothing of what was read and made ahead", () =>
    Effect.gen(function* () {
      const { hold, left, release, steps, stop, walk } = moving(9)
      yield* hold("write 1,2")
      const fiber = yield* Effect.forkChild(walk, { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      stop.isOurs = false
      yield* release("write 1,2")
      yield* TestClock.adjust("1 minute")
      assert.isDefined(fiber.pollUnsafe(), "it ends")
      assert.strictEqual(left.size, 7)
      assert.notInclude(steps, "write 3,4")
    })
  )

  it.effect("where nothing can be moved now, what stands behind it is not made, and the walk ends", () =>
    Effect.gen(function* () {
      const { left, steps, stop, walk } = moving(9)
      stop.endAt = 5
      const fiber = yield* Effect.forkChild(walk, { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.isDefined(fiber.pollUnsafe(), "it ends")
      assert.deepStrictEqual(Array.from(left), [5, 6, 7, 8, 9])
      assert.notInclude(steps, "make 7,8")
    })
  )
})
