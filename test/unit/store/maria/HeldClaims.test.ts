// Verifies P2, P10.
/** What a replica asks the database of claims that it has, and of those that others have. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as HeldClaims from "../../../../src/store/maria/HeldClaims.ts"
import type { Session } from "../../../../src/store/maria/MariadbConnection.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"

const ttlMs = 10_000

/** Claims of a database, and what it is asked: `look` for the one read, and the name of each sweep that is asked for. */
const world = Effect.gen(function* () {
  const claims = new Map<string, { process: string; untilMs: number }>()
  const asked: Array<string> = []
  let isAway = false
  const now = Clock.currentTimeMillis
  const away = new StoreUnavailable({ operation: "test", outcome: "none", isPassing: true, cause: null })
  const session = (nowMs: number): Session => ({
    rows: (_, values = []) =>
      Promise.resolve(
        Array.from(claims)
          .filter(([sweep, { untilMs }]) => values.includes(sweep) && untilMs > nowMs)
          .map(([sweep, { process, untilMs }]) => [sweep, process, untilMs - nowMs])
      ),
    run: () => Promise.reject(new Error("a look writes nothing")),
    batch: () => Promise.reject(new Error("a look writes nothing")),
    command: () => Promise.reject(new Error("a look writes nothing"))
  })
  const { forget, hold } = yield* HeldClaims.make(
    (sweep, process, forMs) =>
      Effect.map(now, (nowMs) => {
        asked.push(sweep)
        const claim = claims.get(sweep)
        if (claim !== undefined && claim.process !== process && claim.untilMs > nowMs) return false
        claims.set(sweep, { process, untilMs: nowMs + forMs })
        return true
      }),
    (body) =>
      Effect.gen(function* () {
        asked.push("look")
        // Whoever else looks meanwhile comes in between.
        yield* Effect.yieldNow
        if (isAway) return yield* away
        const nowMs = yield* now
        return yield* Effect.promise(() => body(session(nowMs)))
      })
  )
  return {
    claims,
    forget,
    hold,
    setAway: (is: boolean) => {
      isAway = is
    },
    /** What was asked since the last time. */
    taken: () => asked.splice(0)
  }
})

const sweeps = Array.from({ length: 10 }, (_, at) => `sweep ${at}`)

describe("claims that others have", () => {
  it.effect("are looked at by one read a second for all sweeps, and never asked for", () =>
    Effect.gen(function* () {
      const { claims, hold, taken } = yield* world
      for (const sweep of sweeps) claims.set(sweep, { process: "one", untilMs: 60_000 })
      const round = Effect.forEach(sweeps, (sweep) => hold(sweep, "two", ttlMs), { concurrency: "unbounded" })
      yield* round
      // What was never heard of is asked for.
      assert.deepStrictEqual(taken(), sweeps)
      for (let second = 0; second < 20; second++) {
        assert.deepStrictEqual(new Set(yield* round), new Set([false]))
        yield* TestClock.adjust("400 millis")
        assert.deepStrictEqual(new Set(yield* round), new Set([false]))
        assert.deepStrictEqual(taken(), ["look"])
        yield* TestClock.adjust("600 millis")
      }
    })
  )

  it.effect("are asked for at the first look after their end, whatever was read before", () =>
    Effect.gen(function* () {
      const { claims, hold, taken } = yield* world
      claims.set("sweep", { process: "one", untilMs: 10_300 })
      yield* hold("sweep", "two", ttlMs)
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(yield* hold("sweep", "two", ttlMs))
      yield* TestClock.adjust("299 millis")
      assert.isFalse(yield* hold("sweep", "two", ttlMs))
      assert.deepStrictEqual(taken(), ["sweep", "look"])
      yield* TestClock.adjust("1 millis")
      assert.isTrue(yield* hold("sweep", "two", ttlMs))
      assert.deepStrictEqual(taken(), ["sweep"])
    })
  )

  it.effect(
    "that were made longer are looked at again, and those that were given up are asked for within a second",
    () =>
      Effect.gen(function* () {
        const { claims, hold, taken } = yield* world
        claims.set("sweep", { process: "one", untilMs: 10_300 })
        yield* hold("sweep", "two", ttlMs)
        yield* TestClock.adjust("10 seconds")
        assert.isFalse(yield* hold("sweep", "two", ttlMs))
        claims.set("sweep", { process: "one", untilMs: 30_000 })
        yield* TestClock.adjust("300 millis")
        taken()
        assert.isFalse(yield* hold("sweep", "two", ttlMs))
        assert.isFalse(yield* hold("sweep", "two", ttlMs))
        assert.deepStrictEqual(taken(), ["sweep", "look"])
        claims.delete("sweep")
        yield* TestClock.adjust("1 second")
        assert.isTrue(yield* hold("sweep", "two", ttlMs))
      })
  )

  it.effect("are looked at again at the next look when they could not be, and nothing is asked for meanwhile", () =>
    Effect.gen(function* () {
      const { claims, hold, setAway, taken } = yield* world
      claims.set("sweep", { process: "one", untilMs: 60_000 })
      yield* hold("sweep", "two", ttlMs)
      setAway(true)
      taken()
      const looks = Array.from({ length: 3 }, () => Effect.flip(hold("sweep", "two", ttlMs)))
      for (const error of yield* Effect.all(looks, { concurrency: "unbounded" })) {
        assert.strictEqual(error._tag, "StoreUnavailable")
      }
      assert.deepStrictEqual(taken(), ["look"])
      setAway(false)
      assert.isFalse(yield* hold("sweep", "two", ttlMs))
      assert.deepStrictEqual(taken(), ["look"])
    })
  )
})

describe("claims of one's own", () => {
  it.effect("are not looked at, and asked for after half their time", () =>
    Effect.gen(function* () {
      const { hold, taken } = yield* world
      for (let half = 0; half < 3; half++) {
        assert.isTrue(yield* hold("sweep", "one", ttlMs))
        assert.deepStrictEqual(taken(), ["sweep"])
        yield* TestClock.adjust("4999 millis")
        assert.isTrue(yield* hold("sweep", "one", ttlMs))
        assert.deepStrictEqual(taken(), [])
        yield* TestClock.adjust("1 millis")
      }
    })
  )

  it.effect("that were made without a look are asked for", () =>
    Effect.gen(function* () {
      const { claims, hold, taken } = yield* world
      yield* hold("sweep", "two", ttlMs)
      yield* TestClock.adjust("20 seconds")
      claims.set("sweep", { process: "one", untilMs: 60_000 })
      assert.isTrue(yield* hold("sweep", "one", ttlMs))
      taken()
      assert.isFalse(yield* hold("sweep", "two", ttlMs))
      assert.isTrue(yield* hold("sweep", "one", ttlMs))
    })
  )

  it.effect("are nobody's here once they were given up", () =>
    Effect.gen(function* () {
      const { claims, forget, hold, taken } = yield* world
      assert.isTrue(yield* hold("sweep", "one", ttlMs))
      assert.isFalse(yield* hold("sweep", "two", ttlMs))
      claims.set("sweep", { process: "three", untilMs: 1_000 })
      taken()
      yield* forget("one")
      assert.isFalse(yield* hold("sweep", "one", ttlMs))
      yield* forget("three")
      claims.delete("sweep")
      assert.isTrue(yield* hold("sweep", "two", ttlMs))
      assert.deepStrictEqual(taken(), ["look", "look", "sweep"])
    })
  )
})
