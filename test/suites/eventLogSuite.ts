/** What every `EventLog` promises. `subjects` name a subject of each stream. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { type Appendable, EventLog, type Outcome, type StreamKind } from "../../src/outbox/EventLog.ts"

export const eventLogSuite = (
  name: string,
  log: Layer.Layer<EventLog, unknown>,
  subjects: Readonly<Record<StreamKind, string>>
) =>
  layer(log, { excludeTestServices: true })(`EventLog (${name})`, (it) => {
    const entry = (stream: StreamKind, eventId: string): Appendable => ({
      eventId,
      subject: subjects[stream],
      headers: { "ce-id": eventId },
      payload: new TextEncoder().encode(eventId)
    })
    const entries = (stream: StreamKind, ...ids: ReadonlyArray<string>) => ids.map((id) => entry(stream, id))
    const tags = (outcomes: ReadonlyArray<Outcome>) => outcomes.map(({ _tag }) => _tag)

    it.effect("stores a chain in order and reads it back", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const before = yield* log.readAfter("events", 0)
        const ids = Array.from({ length: 1_200 }, (_, n) => `chain-${n}`)
        const outcomes = yield* log.append("events", before.last, entries("events", ...ids))
        assert.deepStrictEqual(
          outcomes.map((outcome) => (outcome._tag === "Stored" ? outcome.sequence : outcome._tag)),
          ids.map((_, n) => before.last + n + 1)
        )
        const tail = yield* log.readAfter("events", before.last)
        assert.deepStrictEqual(tail, { eventIds: ids, last: before.last + ids.length })
        const half = yield* log.readAfter("events", before.last + 600)
        assert.deepStrictEqual(half.eventIds, ids.slice(600))
        assert.deepStrictEqual((yield* log.readAfter("events", tail.last)).eventIds, [])
      })
    )

    it.effect("stores nothing of a chain that starts in the wrong place", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const { last } = yield* log.readAfter("events", 0)
        for (const wrong of [last + 1, last - 1, last - 2]) {
          const ids = [1, 2, 3, 4].map((n) => `wrong-${wrong}-${n}`)
          const outcomes = yield* log.append("events", wrong, entries("events", ...ids))
          assert.deepStrictEqual(
            tags(outcomes),
            ids.map(() => "Misplaced")
          )
        }
        assert.strictEqual((yield* log.readAfter("events", 0)).last, last)
      })
    )

    it.effect("stores nothing behind a first entry that it has stored before", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const { last } = yield* log.readAfter("events", 0)
        yield* log.append("events", last, entries("events", "behind-1", "behind-2"))
        const outcomes = yield* log.append("events", last + 2, entries("events", "behind-1", "behind-3"))
        assert.deepStrictEqual(tags(outcomes), ["Duplicate", "Misplaced"])
        assert.deepStrictEqual((yield* log.readAfter("events", last)).eventIds, ["behind-1", "behind-2"])
      })
    )

    it.effect("goes on after it has refused something", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const { last } = yield* log.readAfter("events", 0)
        yield* log.append("events", last + 3, entries("events", "on-1", "on-2", "on-3"))
        const outcomes = yield* log.append("events", last, entries("events", "on-1", "on-2", "on-3"))
        assert.deepStrictEqual(tags(outcomes), ["Stored", "Stored", "Stored"])
      })
    )

    it.effect("sends nothing but the first once its time is over, and what was not sent can come later", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const { last } = yield* log.readAfter("events", 0)
        const over = Number.NEGATIVE_INFINITY
        const cut = yield* log.append("events", last, entries("events", "time-1", "time-2", "time-3"), over)
        assert.deepStrictEqual(tags(cut), ["Stored", "Unsent", "Unsent"])
        assert.deepStrictEqual((yield* log.readAfter("events", last)).eventIds, ["time-1"])
        assert.deepStrictEqual(yield* log.append("events", last + 1, [], over), [])
        const wrong = yield* log.append("events", last, entries("events", "time-4", "time-5"), over)
        assert.deepStrictEqual(tags(wrong), ["Misplaced", "Misplaced"])
        const known = yield* log.append("events", last + 1, entries("events", "time-1", "time-4"), over)
        assert.deepStrictEqual(tags(known), ["Duplicate", "Misplaced"])
        const rest = yield* log.append(
          "events",
          last + 1,
          entries("events", "time-2", "time-3"),
          Number.POSITIVE_INFINITY
        )
        assert.deepStrictEqual(tags(rest), ["Stored", "Stored"])
        assert.deepStrictEqual((yield* log.readAfter("events", last)).eventIds, ["time-1", "time-2", "time-3"])
      })
    )

    it.effect("lets only one of two writers in", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const { last } = yield* log.readAfter("events", 0)
        const [one, two] = yield* Effect.all(
          [
            log.append("events", last, entries("events", "one-1", "one-2", "one-3")),
            log.append("events", last, entries("events", "two-1", "two-2", "two-3"))
          ],
          { concurrency: "unbounded" }
        )
        const stored = (yield* log.readAfter("events", last)).eventIds
        const all = [...one, ...two].filter(({ _tag }) => _tag === "Stored")
        assert.strictEqual(stored.length, all.length)
        assert.strictEqual(stored.length, 3)
      })
    )

    it.effect("recognises an id it has just stored", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const { last } = yield* log.readAfter("revocations", 0)
        yield* log.append("revocations", last, entries("revocations", "again-1"))
        const outcomes = yield* log.append("revocations", last + 1, entries("revocations", "again-1"))
        assert.deepStrictEqual(tags(outcomes), ["Duplicate"])
        assert.deepStrictEqual((yield* log.readAfter("revocations", last)).eventIds, ["again-1"])
      })
    )

    it.effect("keeps the streams apart", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const [events, revocations] = [yield* log.readAfter("events", 0), yield* log.readAfter("revocations", 0)]
        yield* log.append("events", events.last, entries("events", "apart"))
        yield* log.append("revocations", revocations.last, entries("revocations", "apart"))
        assert.deepStrictEqual((yield* log.readAfter("events", events.last)).eventIds, ["apart"])
        assert.deepStrictEqual((yield* log.readAfter("revocations", revocations.last)).eventIds, ["apart"])
      })
    )

    it.effect("reads from the beginning when the stream has not come as far as remembered", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const all = yield* log.readAfter("events", 0)
        const beyond = yield* log.readAfter("events", all.last + 1_000_000)
        assert.deepStrictEqual(beyond, all)
      })
    )
  })
