// Verifies R-BUS-10.
/** Look-ups over connections of the test's own: how many at once, how each ends, and which connection is used again. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { DatabaseFailure } from "../../../../src/store/maria/DatabaseFailure.ts"
import * as Lookups from "../../../../src/store/maria/Lookups.ts"
import type { Connection, openConnection } from "../../../../src/store/maria/MariadbConnection.ts"
import type { StoreSettings } from "../../../../src/store/maria/StoreConfig.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"

const settings = {
  databaseUrl: Redacted.make("mariadb://nobody@127.0.0.1:1/none"),
  operationTimeout: Duration.seconds(4)
} as StoreSettings

const failure = (fatal: boolean, errno = 1317) => new DatabaseFailure({ errno, code: "TOLD", constraint: null, fatal })

const setup = Effect.gen(function* () {
  /** What became of each connection, in the order in which they were opened. */
  const fates: Array<"open" | "given up" | "ended"> = []
  const state = { opens: true, opening: 0 }
  const connection = (): Connection => {
    const number = fates.push("open") - 1
    return {
      number,
      read: () => Promise.resolve([[number]]),
      isValid: () => fates[number] === "open",
      giveUp: () => {
        if (fates[number] === "open") fates[number] = "given up"
      },
      end: () => {
        fates[number] = "ended"
        return Promise.resolve()
      }
    } as unknown as Connection
  }
  const open: typeof openConnection = (_settings, _options, signal) => {
    state.opening++
    if (state.opens) return Promise.resolve(connection())
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(failure(true))))
  }
  const scope = yield* Scope.make()
  const lookup = yield* Scope.provide(scope)(Lookups.make(settings, 2, open))
  /** One whose answer the test gives. */
  const held = (reading = () => {}) => {
    const ends: { resolve: (value: string) => void; reject: (cause: unknown) => void }[] = []
    const answer = lookup("test", () => {
      reading()
      return new Promise<string>((resolve, reject) => ends.push({ resolve, reject }))
    })
    return { answer, end: () => ends[0]! }
  }
  const number = () => lookup("test", (reader) => reader.read("", []).then(([row]) => Number(row?.[0])))
  const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
  return { fates, held, lookup, number, scope, state, turn }
})

/** Heard from now on. */
const caught = (promise: Promise<unknown>) => {
  const outcome = promise.then(
    () => "an answer",
    (cause: unknown) => cause
  )
  return Effect.promise(() => outcome)
}

describe("look-ups", () => {
  it.effect("are so many at once, the others wait in their order, and connections are used again", () =>
    Effect.gen(function* () {
      const { fates, held, turn } = yield* setup
      const begun: Array<number> = []
      const asked = [0, 1, 2, 3].map((one) => held(() => begun.push(one)))
      yield* turn
      assert.deepStrictEqual(begun, [0, 1])
      asked[1]!.end().resolve("one")
      assert.strictEqual(yield* Effect.promise(() => asked[1]!.answer), "one")
      yield* turn
      assert.deepStrictEqual(begun, [0, 1, 2])
      asked[0]!.end().resolve("nought")
      yield* turn
      assert.deepStrictEqual(begun, [0, 1, 2, 3])
      assert.deepStrictEqual(fates, ["open", "open"])
    })
  )

  it.effect(
    "end in time, whether they wait, read or open a connection, and what they did it on is not used again",
    () =>
      Effect.gen(function* () {
        const { fates, held, number, state, turn } = yield* setup
        const reading = held()
        yield* turn
        state.opens = false
        const opening = number()
        const waiting = number()
        const ends = [reading.answer, opening, waiting].map(caught)
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(fates, ["open"])
        yield* TestClock.adjust("1 second")
        for (const error of yield* Effect.all(ends)) {
          assert.instanceOf(error, StoreUnavailable)
          assert.include(error, { operation: "test", outcome: "none", isPassing: true })
        }
        assert.deepStrictEqual(fates, ["given up"])
        // What comes too late is not heard, and takes nobody's place.
        reading.end().resolve("late")
        state.opens = true
        yield* turn
        assert.strictEqual(yield* Effect.promise(number), 1)
        assert.strictEqual(yield* Effect.promise(number), 1)
        assert.deepStrictEqual(fates, ["given up", "open"])
      })
  )

  it.effect("give up a connection that is not sure any more, keep one that is, and tell a bug as what it is", () =>
    Effect.gen(function* () {
      const { fates, lookup, number } = yield* setup
      const passing = yield* caught(lookup("test", () => Promise.reject(failure(false))))
      assert.instanceOf(passing, StoreUnavailable)
      assert.deepStrictEqual(fates, ["open"])
      assert.instanceOf(yield* caught(lookup("test", () => Promise.reject(failure(true)))), StoreUnavailable)
      assert.deepStrictEqual(fates, ["given up"])
      const bug = new Error("ours")
      assert.strictEqual(
        yield* caught(
          lookup("test", () => {
            throw bug
          })
        ),
        bug
      )
      assert.instanceOf(yield* caught(lookup("test", () => Promise.reject(failure(false, 1064)))), DatabaseFailure)
      fates[2] = "ended"
      assert.strictEqual(yield* Effect.promise(number), 3)
      assert.deepStrictEqual(fates, ["given up", "given up", "ended", "open"])
    })
  )

  it.effect("are refused when so many wait, and after the end, which ends the connections", () =>
    Effect.gen(function* () {
      const { fates, held, number, scope, turn } = yield* setup
      const two = [held(), held()]
      const waiting = Array.from({ length: 10_000 }, () => caught(number()))
      const { cause } = (yield* caught(number())) as StoreUnavailable
      assert.include(cause, { code: "TOO_MANY_WAIT" })
      yield* turn
      two[0]!.end().resolve("done")
      for (const one of waiting) assert.strictEqual(yield* one, "an answer")
      yield* Scope.close(scope, Exit.void)
      assert.sameMembers(fates, ["ended", "given up"])
      assert.include(((yield* caught(number())) as StoreUnavailable).cause, { code: "CLOSED" })
      two[1]!.end().resolve("after the end")
      assert.strictEqual(yield* Effect.promise(() => two[1]!.answer), "after the end")
    })
  )
})
