// Verifies R-EVT-1, R-LIM-5.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { EventLog, Outcome } from "../../../src/outbox/EventLog.ts"
import { outcomesOf } from "../../../src/outbox/NatsEventLog.ts"
import * as RelayTerm from "../../../src/outbox/RelayTerm.ts"
import { Outbox } from "../../../src/store/Outbox.ts"
import { OwnCheckpoints } from "../../../src/store/OwnCheckpoints.ts"
import { type MemoryOutbox, memoryOutbox } from "../../support/memoryOutbox.ts"

/** A term of its own, of windows of four. */
const termOf = Effect.fnUntraced(function* (outbox: Layer.Layer<Outbox>, log: Layer.Layer<EventLog>, ttlMs = 5_000) {
  const claimed = yield* Outbox.use(({ claimTerm }) => claimTerm("one", ttlMs)).pipe(Effect.provide(outbox))
  return yield* RelayTerm.make(claimed!, 4, () => Effect.void, ttlMs).pipe(
    Effect.provide(
      Layer.mergeAll(
        outbox,
        log,
        Layer.succeed(OwnCheckpoints, { ready: Effect.void, isOwn: () => true }),
        Layer.succeed(Replica, replicaOf("cm", "one"))
      )
    )
  )
})

/** Of so many entities a row each. */
const write = (outbox: MemoryOutbox, count: number) => {
  for (let n = 0; n < count; n++) outbox.write({ eventId: `e${n}-0` })
}

/** The log in memory, where each message takes 300 ms. */
const slowLog = Effect.gen(function* () {
  const pace = { storesInMs: 300 }
  const storing = Effect.suspend(() => TestClock.adjust(Duration.millis(pace.storesInMs)))
  const log = yield* EventLog.pipe(Effect.provide(EventLog.layerMemory({ rememberedMax: 0, storing })))
  const slow = {
    log,
    pace,
    ids: Effect.map(log.readAfter("events", 0), ({ eventIds }) => eventIds),
    reads: 0,
    onAppend: (): void => undefined,
    layer: Layer.succeed(EventLog, {
      append: (...appended) => {
        slow.onAppend()
        return log.append(...appended)
      },
      readAfter: (...read) => {
        slow.reads++
        return log.readAfter(...read)
      }
    })
  }
  return slow
})

/** The outbox, and of how many rows each look at it was. */
const notingLooks = (outbox: MemoryOutbox) => {
  const limits: Array<number> = []
  const looked = Layer.effect(
    Outbox,
    Effect.map(Outbox, (inner) => ({
      ...inner,
      unsent: (limit: number) => {
        limits.push(limit)
        return inner.unsent(limit)
      }
    }))
  ).pipe(Layer.provide(outbox.layer))
  return { limits, looked }
}

describe("a term of the relay", () => {
  it.effect("looks at one window of rows before it knows how large they are", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      write(outbox, 100)
      const { limits, looked } = notingLooks(outbox)
      const { round } = yield* termOf(looked, EventLog.layerMemory({ rememberedMax: 0 }))
      yield* round
      assert.strictEqual(limits[0], 4)
      assert.lengthOf(outbox.rows(), 0)
    })
  )

  it.effect(
    "sends of a piece no more than goes in a second, whatever is acknowledged, and the rest in the next round",
    () =>
      Effect.gen(function* () {
        const outbox = memoryOutbox()
        write(outbox, 12)
        const slow = yield* slowLog
        const { round } = yield* termOf(outbox.layer, slow.layer)
        const began = yield* Clock.currentTimeMillis
        assert.deepStrictEqual(yield* round, { sent: 4, hasMore: true, trouble: null })
        assert.strictEqual((yield* Clock.currentTimeMillis) - began, 1_200)
        const { reads } = slow
        assert.deepStrictEqual(yield* round, { sent: 4, hasMore: true, trouble: null })
        assert.strictEqual(slow.reads, reads, "the stream was read though all is known")
        while ((yield* round).hasMore);
        assert.lengthOf(outbox.rows(), 0)
      })
  )

  it.effect("sends of a piece no more than goes in a fifth of a short term, which it has to renew in between", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      write(outbox, 12)
      const slow = yield* slowLog
      slow.pace.storesInMs = 100
      const { round } = yield* termOf(outbox.layer, slow.layer, 1_000)
      assert.deepStrictEqual(yield* round, { sent: 2, hasMore: true, trouble: null })
    })
  )

  it.effect("begins no wave of a piece behind that time", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      for (let n = 0; n < 12; n++) outbox.write({ eventId: `e-${n}` })
      const slow = yield* slowLog
      const { round } = yield* termOf(outbox.layer, slow.layer)
      assert.deepStrictEqual(yield* round, { sent: 4, hasMore: true, trouble: null })
      assert.deepStrictEqual(yield* round, { sent: 4, hasMore: true, trouble: null })
      while ((yield* round).hasMore);
      assert.deepStrictEqual(
        yield* slow.ids,
        Array.from({ length: 12 }, (_, n) => `e-${n}`)
      )
    })
  )

  it.effect(
    "tries no more rows behind that time, though the first ones were all refused, and the others before those",
    () =>
      Effect.gen(function* () {
        const outbox = memoryOutbox()
        for (let n = 0; n < 24; n++) outbox.write({ eventId: `bad${n}-0` })
        for (let n = 0; n < 3; n++) outbox.write({ eventId: `good-${n}` })
        const slow = yield* slowLog
        slow.pace.storesInMs = 0
        const log = Layer.succeed(EventLog, {
          readAfter: slow.log.readAfter,
          // Nothing follows one that was refused.
          append: (kind, last, entries, until) => {
            const at = entries.findIndex(({ eventId }) => eventId.startsWith("bad"))
            if (at === -1) return slow.log.append(kind, last, entries, until)
            const refused = Effect.as(TestClock.adjust("300 millis"), [
              Outcome.Refused({ reason: "too large" }),
              ...entries.slice(at + 1).map(() => Outcome.Misplaced())
            ])
            return at === 0
              ? refused
              : Effect.zipWith(slow.log.append(kind, last, entries.slice(0, at)), refused, (one, other) => [
                  ...one,
                  ...other
                ])
          }
        })
        const good = Effect.map(slow.ids, (ids) => ids.filter((id) => id.startsWith("good")))
        const { round } = yield* termOf(outbox.layer, log)
        const now = Clock.currentTimeMillis
        const began = yield* now
        let leftAt: number | null = null
        for (let rounds = 0; outbox.rows().length > 0; rounds++) {
          assert.isBelow(rounds, 100)
          const at = yield* now
          const { hasMore } = yield* round
          assert.isAtMost((yield* now) - at, 2_000)
          if ((yield* good).length === 3) leftAt ??= yield* now
          if (!hasMore) yield* TestClock.adjust("1 second")
        }
        assert.deepStrictEqual(yield* good, ["good-0", "good-1", "good-2"])
        // Once each, and before any is tried again.
        assert.isAtMost(leftAt! - began, 24 * 300 + 1_200)
        assert.lengthOf(outbox.aside, 24)
      })
  )

  it.effect("reads fewer rows where not all were published in time, and more again when they are", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      const { limits, looked } = notingLooks(outbox)
      const slow = yield* slowLog
      const { round } = yield* termOf(looked, slow.layer)
      // Windows of four: a piece is of sixteen, a page of 64 at most.
      write(outbox, 400)
      for (let n = 0; n < 6; n++) yield* round
      // A piece, and what is read ahead of the next one.
      assert.isAtMost(Math.max(...limits.slice(-4)), 16 + 16, limits.join())
      slow.pace.storesInMs = 0
      limits.length = 0
      while ((yield* round).hasMore);
      assert.lengthOf(outbox.rows(), 0)
      assert.isAtLeast(Math.max(...limits), 32 + 16, limits.join())
    })
  )

  it.effect("marks what it found in the stream before it appends anything", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      write(outbox, 10)
      const slow = yield* slowLog
      const found = ["e0-0", "e1-0"].map((eventId) => ({
        eventId,
        subject: "",
        headers: {},
        payload: new Uint8Array()
      }))
      yield* slow.log.append("events", 0, found)
      const marked: Array<ReadonlyArray<string>> = []
      slow.onAppend = () => void marked.push(outbox.marked.slice())
      const { round } = yield* termOf(outbox.layer, slow.layer)
      while ((yield* round).hasMore);
      assert.deepStrictEqual(marked[0], ["e0-0", "e1-0"])
      assert.lengthOf(yield* slow.ids, 10)
    })
  )

  it("takes what has no acknowledgement for unsent only behind what is stored in its place", () => {
    const stored = (sequence: number) => ({ kind: "stored", sequence, duplicate: false }) as const
    const tags = (...acks: Parameters<typeof outcomesOf>[0]) => outcomesOf(acks, 3, 6).map(({ _tag }) => _tag)
    assert.deepStrictEqual(tags(stored(7), stored(8)), ["Stored", "Stored", "Unsent"])
    assert.deepStrictEqual(tags(stored(7), stored(9)), ["Stored", "Stored", "Misplaced"])
    assert.deepStrictEqual(tags({ kind: "unknown", reason: "" }), ["Uncertain", "Misplaced", "Misplaced"])
    assert.deepStrictEqual(tags(stored(7), { ...stored(3), duplicate: true }), ["Stored", "Duplicate", "Misplaced"])
  })
})
