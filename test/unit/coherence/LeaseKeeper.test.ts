// Verifies R-REV-10.
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Logger, Queue, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Entry, seenNothing } from "../../../src/coherence/Barrier.ts"
import { LeaseState, LeaseView, monotonicMsUnsafe } from "../../../src/coherence/Coherence.ts"
import { CoherenceConfig } from "../../../src/coherence/CoherenceConfig.ts"
import { BucketError, type LeaseBucket } from "../../../src/coherence/LeaseBucket.ts"
import * as LeaseKeeper from "../../../src/coherence/LeaseKeeper.ts"
import { Nats } from "../../../src/nats/Nats.ts"

const writesMax = 2_000

interface Write {
  readonly key: string
  readonly state: string
  readonly at: number
}

const evictedEntry = ({ key }: Write): Entry => ({
  key,
  process: "one.abc",
  revision: 9,
  state: "evicted",
  heldMs: 0,
  timing: { leaseMs: 3_000, marginMs: 300 }
})

/** A keeper over a bucket that takes every write, or none, and a connection that says what the test says. */
const setup = Effect.gen(function* () {
  const events = yield* Queue.unbounded<{ readonly type: string }>()
  const run = Effect.runPromise
  const control = {
    status: () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => run(Effect.map(Queue.take(events), (value) => ({ value, done: false })))
      })
    })
  }
  const writes: Array<Write> = []
  const logged: Array<string> = []
  const world = { isUp: true, takesAway: false, answersAfter: "0 millis" as Duration.Input, onWrite: (_: Write) => {} }
  const clock = yield* Effect.clockWith(Effect.succeed)
  const unavailable = new BucketError({ reason: "unavailable" })
  const conflict = new BucketError({ reason: "conflict" })
  const bucket: LeaseBucket = {
    ensure: Effect.suspend(() => (world.isUp ? Effect.void : Effect.fail(unavailable))),
    write: (key, revision, state) =>
      Effect.suspend(() => {
        if (!world.isUp) return Effect.fail(unavailable)
        if (world.takesAway && state === "held" && revision > 0) return Effect.fail(conflict)
        if (writes.length >= writesMax) return Effect.never
        const write = { key, state, at: clock.currentTimeMillisUnsafe() }
        writes.push(write)
        world.onWrite(write)
        // The answer takes a turn of the event loop, as it does on a bus.
        return Effect.as(
          Effect.andThen(
            Effect.promise(() => new Promise<void>((done) => setImmediate(done))),
            Duration.toMillis(world.answersAfter) === 0 ? Effect.void : Effect.delay(Effect.void, world.answersAfter)
          ),
          revision + 1
        )
      }),
    list: Effect.suspend(() =>
      world.takesAway
        ? Effect.succeed({ sentMs: 0, receivedMs: 0, barrier: 1, entries: writes.map(evictedEntry) })
        : Effect.fail(unavailable)
    ),
    seen: () => seenNothing,
    plan: { name: "KV_CM_LEASES" }
  }
  const lease = new LeaseState()
  const parts = Layer.mergeAll(
    Layer.succeed(Nats, { control } as unknown as Nats["Service"]),
    Layer.succeed(LeaseView, lease),
    Layer.succeed(CoherenceConfig, {
      lease: Duration.seconds(3),
      marginPercent: 10,
      barrierTimeout: Duration.seconds(10),
      bucketAge: Duration.hours(1)
    }),
    Logger.layer([Logger.make<unknown, void>(({ message }) => void logged.push(String([message].flat()[0])))])
  )
  const scope = yield* Scope.make()
  const context = Context.add(yield* Layer.build(parts), Scope.Scope, scope)
  const keeper = yield* LeaseKeeper.make(bucket, "one.abc").pipe(Effect.provideContext(context))
  const turns = Effect.promise(async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((done) => setImmediate(done))
  })
  const pass = (duration: Duration.Input) => Effect.andThen(TestClock.adjust(duration), turns)
  const holds = () => lease.holds(monotonicMsUnsafe(clock), clock.currentTimeMillisUnsafe())
  const happens = (type: string) => Effect.andThen(Queue.offer(events, { type }), turns)
  yield* turns
  return { writes, world, keeper, lease, logged, pass, holds, happens, turns }
})

describe("the keeper of the lease", () => {
  it.effect("takes it, renews it, and says that it holds", () =>
    Effect.gen(function* () {
      const { holds, keeper, pass, writes } = yield* setup
      assert.isTrue(holds())
      for (let time = 0; time < 5; time++) yield* pass("1 second")
      assert.isTrue(holds())
      assert.isNull(keeper.lapse())
      assert.deepStrictEqual(new Set(writes.map(({ key }) => key)), new Set(["lease.one.abc.0"]))
    })
  )

  it.effect("lapses when the connection is lost, and takes another when the bus takes writes again, said or not", () =>
    Effect.gen(function* () {
      const { happens, holds, pass, world, writes } = yield* setup
      world.isUp = false
      yield* happens("disconnect")
      assert.isFalse(holds())
      yield* pass("10 seconds")
      assert.isFalse(holds())
      // Nobody says that the connection is back.
      world.isUp = true
      yield* pass("200 millis")
      assert.isTrue(holds())
      assert.notStrictEqual(writes.at(-1)?.key, writes[0]?.key)
    })
  )

  it.effect("tells of the first refusal of a row, and of the next row's; why it does not hold is asked for", () =>
    Effect.gen(function* () {
      const { happens, keeper, logged, pass, world } = yield* setup
      const refusals = () => logged.filter((line) => line === "lease not taken").length
      for (const row of [1, 2]) {
        world.isUp = false
        yield* happens("disconnect")
        assert.strictEqual(keeper.lapse(), "the bus connection is lost")
        for (let time = 0; time < 10; time++) yield* pass("100 millis")
        assert.strictEqual(refusals(), row)
        assert.strictEqual(keeper.lapse(), "the lease bucket does not answer")
        world.isUp = true
        yield* pass("200 millis")
        assert.isNull(keeper.lapse())
      }
    })
  )

  it.effect("counts a right from when its renewal was sent, not from when that was answered", () =>
    Effect.gen(function* () {
      const { holds, pass, world } = yield* setup
      world.answersAfter = "2 seconds"
      yield* pass("1 second")
      yield* pass("2 seconds")
      assert.isTrue(holds(), "sent at 1 s, answered at 3 s: good until 3.7 s")
      world.isUp = false
      yield* pass("690 millis")
      assert.isTrue(holds())
      yield* pass("20 millis")
      assert.isFalse(holds())
    })
  )

  it.effect("lapses at once when its right is taken away, and waits ever longer, up to some leases, for the next", () =>
    Effect.gen(function* () {
      const { holds, pass, world, writes } = yield* setup
      world.takesAway = true
      yield* pass("1 second")
      assert.isFalse(holds())
      for (let time = 0; time < 600; time++) yield* pass("500 millis")
      const taken = writes.filter(({ state }) => state === "held").map(({ at }) => at)
      const pauses = taken.slice(1).map((at, index) => at - taken[index]!)
      const longest = (16 * 3_000) / 2
      assert.isAbove(Math.max(...pauses), longest)
      assert.isBelow(Math.max(...pauses), longest + 3_000)
      assert.deepStrictEqual(
        pauses.slice(0, 4),
        pauses.slice(0, 4).toSorted((a, b) => a - b)
      )
    })
  )

  it.effect("tries no more often than ten times a second, and gives back what came too late", () =>
    Effect.gen(function* () {
      const { happens, holds, pass, turns, world, writes } = yield* setup
      const before = writes.length
      // The connection is lost again and again, while each write is under way.
      let lost: Promise<unknown> = Promise.resolve()
      world.onWrite = ({ state }) => {
        if (state === "held") lost = Effect.runPromise(happens("disconnect"))
      }
      yield* happens("disconnect")
      yield* pass(1)
      yield* Effect.promise(() => lost)
      yield* turns
      for (let time = 0; time < 10; time++) {
        yield* pass("100 millis")
        yield* Effect.promise(() => lost)
      }
      assert.isFalse(holds())
      const since = writes.slice(before)
      const taken = since.filter(({ state }) => state === "held").map(({ key }) => key)
      assert.isAbove(taken.length, 1)
      assert.isAtMost(taken.length, 12)
      assert.strictEqual(new Set(taken).size, taken.length, "a right's key is never used twice")
      assert.includeMembers(
        since.filter(({ state }) => state === "released").map(({ key }) => key),
        taken.slice(0, -1)
      )
      world.onWrite = () => {}
      yield* pass("1 second")
      assert.isTrue(holds())
    })
  )
})
