/** Faults of an `EventLog`, put around a real or a memory one. */
import { Effect, Layer } from "effect"
import { type Appendable, EventLog, EventLogUnavailable, Outcome, type StreamKind } from "../../src/outbox/EventLog.ts"

export interface EventLogFaults {
  /** The next appended entries are stored, but the answer never comes. */
  loseAnswers: number
  /** The next appended entries never arrive; what follows them in the chain is misplaced. */
  loseEntries: number
  /** The next reads fail. */
  failReads: number
  /** Event ids that the stream refuses for good. */
  readonly refused: Set<string>
  /** Called with each chain before it is appended. */
  onAppend: (stream: StreamKind, entries: ReadonlyArray<Appendable>) => Effect.Effect<void>
}

export const eventLogFaults = (): EventLogFaults => ({
  loseAnswers: 0,
  loseEntries: 0,
  failReads: 0,
  refused: new Set(),
  onAppend: () => Effect.void
})

const lost = Outcome.Uncertain({ reason: "lost on purpose" })

/** `log` with `faults`, which a test may change at any time. */
export const faulty = (log: Layer.Layer<EventLog, unknown>, faults: EventLogFaults) =>
  Layer.effect(
    EventLog,
    Effect.gen(function* () {
      const inner = yield* EventLog
      return EventLog.of({
        append: (stream, last, entries, until) =>
          Effect.gen(function* () {
            yield* faults.onAppend(stream, entries)
            const firstBad = entries.findIndex(
              ({ eventId }, index) => index < faults.loseEntries || faults.refused.has(eventId)
            )
            const good = firstBad === -1 ? entries : entries.slice(0, firstBad)
            const outcomes = yield* inner.append(stream, last, good, until)
            const answered = outcomes.map((outcome) => (faults.loseAnswers-- > 0 ? lost : outcome))
            const rest = entries.slice(good.length).map((entry): Outcome => {
              if (faults.refused.has(entry.eventId)) return Outcome.Refused({ reason: "on purpose" })
              return faults.loseEntries-- > 0 ? lost : Outcome.Misplaced()
            })
            faults.loseAnswers = Math.max(0, faults.loseAnswers)
            faults.loseEntries = Math.max(0, faults.loseEntries)
            return [...answered, ...rest]
          }),
        readAfter: (stream, sequence) =>
          Effect.suspend(() =>
            faults.failReads-- > 0
              ? Effect.fail(new EventLogUnavailable({ stream, reason: "on purpose" }))
              : inner.readAfter(stream, sequence)
          )
      })
    })
  ).pipe(Layer.provide(log))
