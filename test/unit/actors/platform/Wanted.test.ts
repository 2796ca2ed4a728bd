/** What events ask to be read: once for all who ask, again only when that may help, one in nobody's way. */
import { Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { assert, describe, it } from "vitest"
import * as Upserted from "../../../../src/actors/platform/Upserted.ts"
import * as Wanted from "../../../../src/actors/platform/Wanted.ts"
import { PlatformError } from "../../../../src/platform/PlatformError.ts"

const failed = (isRetryable: boolean) =>
  new PlatformError({ system: "tekton", reason: isRetryable ? "Unreachable" : "Malformed", detail: "x", isRetryable })

/** Readings that fail as `fails` says, in the order in which they were begun. */
const readings = (
  fails: Map<string, PlatformError>,
  run: (want: (thing: string) => Effect.Effect<void>) => Effect.Effect<void>
) => {
  const read: Array<string> = []
  return Effect.runPromise(
    Effect.gen(function* () {
      const { want } = yield* Wanted.make<string>("test", {
        keyOf: (thing) => thing,
        everything: "*",
        read: (thing) =>
          Effect.sync(() => void read.push(thing)).pipe(
            Effect.andThen(
              Effect.delay(
                Effect.suspend(() => (fails.has(thing) ? Effect.fail(fails.get(thing)!) : Effect.void)),
                "100 millis"
              )
            )
          ),
        pauses: Schedule.spaced("1 second")
      })
      yield* run(want)
      return read
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
  )
}
const pass = TestClock.adjust("20 seconds")

describe("what is wanted", () => {
  it("is read once for all who ask, and once more for those who ask while it is read", async () => {
    const read = await readings(new Map(), (want) =>
      Effect.gen(function* () {
        yield* want("a")
        yield* TestClock.adjust("50 millis")
        for (let index = 0; index < 40; index++) yield* want(index % 2 === 0 ? "a" : "b")
        yield* pass
      })
    )
    assert.deepStrictEqual(read, ["a", "a", "b"])
  })
  it("is not asked for again when that cannot help", async () => {
    const read = await readings(new Map([["a", failed(false)]]), (want) =>
      Effect.andThen(Effect.andThen(want("a"), want("b")), pass)
    )
    assert.deepStrictEqual(read, ["a", "b"])
  })
  it("comes again, behind the others, when what is away may be back", async () => {
    const fails = new Map([["a", failed(true)]])
    const read = await readings(fails, (want) =>
      Effect.gen(function* () {
        yield* Effect.andThen(want("a"), want("b"))
        yield* TestClock.adjust("500 millis")
        yield* TestClock.adjust("2 seconds")
        fails.clear()
        yield* pass
      })
    )
    assert.deepStrictEqual(read.slice(0, 3), ["a", "b", "a"])
    assert.isAtMost(read.length, 5)
    assert.strictEqual(read.at(-1), "a")
  })
  it("becomes everything when it is too much, and is comprised by it", async () => {
    const read = await readings(new Map(), (want) =>
      Effect.gen(function* () {
        for (let index = 0; index < 2_000; index++) yield* want(`t${index}`)
        yield* pass
      })
    )
    // What came while everything was being read may have to be read after it.
    assert.strictEqual(read[0], "*")
    assert.isBelow(read.length, 100)
  })
})

describe("names that were upserted", () => {
  it("are given until what they ask for was read, unless they were deleted since", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const upserted = yield* Upserted.make
        const given = (only: string | null, fail = false) =>
          upserted.during(only, (named) => (fail ? Effect.fail(Array.from(named)) : Effect.succeed(Array.from(named))))
        upserted.add("a")
        upserted.add("b")
        assert.deepStrictEqual(yield* given("a"), ["a"])
        assert.deepStrictEqual(yield* Effect.flip(given(null, true)), ["b"])
        const during = yield* Effect.forkChild(
          upserted.during(null, (named) => Effect.as(Effect.yieldNow, Array.from(named)))
        )
        yield* Effect.yieldNow
        upserted.add("b")
        assert.deepStrictEqual(yield* Fiber.join(during), ["b"])
        assert.deepStrictEqual(yield* Effect.flip(given(null, true)), ["b"])
        upserted.forget("b")
        assert.deepStrictEqual(yield* given(null), [])
      })
    ))
  it("are bounded: of more the oldest is given up", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const upserted = yield* Upserted.make
        for (let index = 0; index <= 1_000; index++) upserted.add(`a${index}`)
        const named = yield* upserted.during(null, (names) => Effect.succeed(Array.from(names)))
        assert.deepStrictEqual([named.length, named[0], named.at(-1)], [1_000, "a1", "a1000"])
      })
    ))
})
