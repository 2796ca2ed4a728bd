// Verifies R-EVT-2, R-REV-9.
/** When the store is told what is in force: at once of what comes alone, together of what comes one after the other. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import * as InForceMarks from "../../../src/coherence/InForceMarks.ts"
import { Outbox } from "../../../src/store/Outbox.ts"

const setup = Effect.gen(function* () {
  const marked: Array<ReadonlyArray<number>> = []
  const told: Array<ReadonlyArray<string>> = []
  const world = { deaths: 0, hold: Promise.resolve() }
  const markInForce = (revocations: ReadonlyArray<{ readonly seq: number }>) =>
    Effect.suspend(() => {
      if (world.deaths-- > 0) return Effect.die(new Error("died on purpose"))
      return Effect.andThen(
        Effect.promise(() => world.hold),
        Effect.sync(() => void marked.push(revocations.map(({ seq }) => seq)))
      )
    })
  const marks = yield* InForceMarks.make((tenantIds) => told.push(tenantIds)).pipe(
    Effect.provide(Layer.mock(Outbox, { markInForce })),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  const turns = Effect.promise(async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((done) => setImmediate(done))
  })
  const pass = (milliseconds: number) => Effect.andThen(TestClock.adjust(milliseconds), turns)
  const inForce = (...seqs: ReadonlyArray<number>) =>
    Effect.andThen(
      Effect.sync(() =>
        marks.enqueueUnsafe(
          seqs.map((seq) => ({
            revocation: { tenantId: `tenant-${seq % 2}`, seq, targets: [] },
            inForce: () => {},
            told: () => {}
          }))
        )
      ),
      turns
    )
  const someoneWaits = Effect.andThen(Effect.sync(marks.tellNowUnsafe), turns)
  yield* turns
  return { inForce, marked, pass, someoneWaits, told, world }
})

describe("what is in force is told to the store", () => {
  it.effect("at once when it comes alone, and together within its time when one follows the other", () =>
    Effect.gen(function* () {
      const { inForce, marked, pass, told } = yield* setup
      yield* inForce(1)
      assert.deepStrictEqual(marked, [[1]])
      yield* inForce(2)
      yield* pass(10)
      yield* inForce(3, 4)
      yield* pass(14)
      assert.deepStrictEqual(marked, [[1]], "they wait for each other")
      yield* pass(1)
      assert.deepStrictEqual(marked, [[1], [2, 3, 4]])
      assert.deepStrictEqual(told, [["tenant-1"], ["tenant-0", "tenant-1"]], "each tenant once")
      yield* pass(25)
      yield* inForce(5)
      assert.deepStrictEqual(marked.at(-1), [5], "it rested long enough")
    })
  )

  it.effect("at once when somebody waits for the store", () =>
    Effect.gen(function* () {
      const { inForce, marked, someoneWaits } = yield* setup
      yield* inForce(1)
      yield* inForce(2)
      assert.deepStrictEqual(marked, [[1]])
      yield* someoneWaits
      assert.deepStrictEqual(marked, [[1], [2]])
    })
  )

  it.effect(
    "at once behind what it is told already, when somebody waits since; and nobody waits for it once more",
    () =>
      Effect.gen(function* () {
        const { inForce, marked, pass, someoneWaits, world } = yield* setup
        const { promise, resolve } = Promise.withResolvers<void>()
        world.hold = promise
        yield* inForce(1)
        yield* inForce(2)
        yield* someoneWaits
        yield* someoneWaits
        assert.deepStrictEqual(marked, [])
        yield* Effect.sync(resolve)
        yield* pass(0)
        assert.deepStrictEqual(marked, [[1], [2]])
        yield* inForce(3)
        yield* pass(24)
        assert.deepStrictEqual(marked, [[1], [2]], "two words end one rest")
        yield* pass(1)
        assert.deepStrictEqual(marked, [[1], [2], [3]])
      })
  )

  it.effect("after a bug there, with what comes later", () =>
    Effect.gen(function* () {
      const { inForce, marked, pass, world } = yield* setup
      world.deaths = 1
      yield* inForce(1)
      yield* inForce(2)
      assert.deepStrictEqual(marked, [])
      yield* pass(1_025)
      assert.deepStrictEqual(marked, [[1, 2]])
    })
  )

  it.effect("when it ends", () =>
    Effect.gen(function* () {
      const marked = yield* Effect.scoped(
        Effect.gen(function* () {
          const { inForce, marked } = yield* setup
          yield* inForce(1)
          yield* inForce(2)
          return marked
        })
      )
      assert.deepStrictEqual(marked, [[1], [2]])
    })
  )
})
