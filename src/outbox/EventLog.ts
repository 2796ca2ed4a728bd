/**
 * The streams that events leave into, as the relay sees them.
 *
 * `append` writes entries of different entities behind the message `last`: the first one alone, and
 * when it is stored the others behind it, each accepted only in its own place. So a writer that does not
 * know the newest message writes nothing (`Misplaced`), and what a slower writer still has on its way is
 * refused once somebody else has written. An entry whose id the stream still remembers is not written
 * again (`Duplicate`).
 *
 * `append` never fails; `Uncertain` means that the entry may or may not be there, now or in a moment.
 * `readAfter` sees at least what was acknowledged to anybody, or is behind; being behind is found out
 * by the next `append`, which is `Misplaced`.
 *
 * Layers: `layerMemory` here, `NatsEventLog.ts`. Both pass `test/suites/eventLogSuite.ts`.
 */
import { Clock, Context, Data, Effect, Layer, Schema } from "effect"
import type { OutboxEntry } from "../store/TenantStore.ts"

export type StreamKind = OutboxEntry["stream"]
export const streamKinds: ReadonlyArray<StreamKind> = ["revocations", "events"]

export type Appendable = Pick<OutboxEntry, "eventId" | "subject" | "headers" | "payload">

export type Outcome = Data.TaggedEnum<{
  Stored: { readonly sequence: number }
  Duplicate: { readonly sequence: number }
  /** It is not the next message; it was not written. */
  Misplaced: {}
  /** It was not written and never will be as it is: no message can be that large, or have such headers. */
  Refused: { readonly reason: string }
  Uncertain: { readonly reason: string }
  /** Its time was over before it was its turn. */
  Unsent: {}
}>
export const Outcome = Data.taggedEnum<Outcome>()

export class EventLogUnavailable extends Schema.TaggedError<EventLogUnavailable>()("EventLogUnavailable", {
  stream: Schema.String,
  reason: Schema.String
}) {}

export interface Tail {
  readonly eventIds: ReadonlyArray<string>
  /** Sequence of the newest message; 0 when there never was one. */
  readonly last: number
}

export class EventLog extends Context.Service<
  EventLog,
  {
    /** One outcome for each entry, in order. After `until` (milliseconds, monotonic clock) nothing but the first is sent. */
    readonly append: (
      stream: StreamKind,
      last: number,
      entries: ReadonlyArray<Appendable>,
      until?: number
    ) => Effect.Effect<ReadonlyArray<Outcome>>
    /** Ids of the messages after `sequence`, from the beginning when the stream has not come that far. */
    readonly readAfter: (stream: StreamKind, sequence: number) => Effect.Effect<Tail, EventLogUnavailable>
  }
>()("cm/outbox/EventLog") {
  /** `rememberedMax`: how many of the newest ids a stream recognises again. `storing`: what comes before each is stored. */
  static readonly layerMemory = ({
    rememberedMax,
    storing = Effect.void
  }: {
    readonly rememberedMax: number
    readonly storing?: Effect.Effect<void>
  }) =>
    Layer.sync(EventLog, () => {
      const streams: Record<StreamKind, Array<string>> = { events: [], revocations: [] }
      const appendOne = (stream: Array<string>, last: number, { eventId }: Appendable): Outcome => {
        if (last !== stream.length) return Outcome.Misplaced()
        const at = stream.lastIndexOf(eventId)
        return at !== -1 && at >= stream.length - rememberedMax
          ? Outcome.Duplicate({ sequence: at + 1 })
          : Outcome.Stored({ sequence: stream.push(eventId) })
      }
      const append = Effect.fnUntraced(function* (
        stream: Array<string>,
        last: number,
        entries: ReadonlyArray<Appendable>,
        until: number
      ) {
        const clock = yield* Clock.Clock
        const outcomes: Array<Outcome> = []
        const isOver = () => outcomes.length > 0 && Number(clock.monotonicTimeNanosUnsafe()) / 1e6 >= until
        for (const entry of entries) {
          if (isOver()) break
          yield* storing
          const outcome = appendOne(stream, last + outcomes.length, entry)
          outcomes.push(outcome)
          if (outcome._tag !== "Stored") break
        }
        const isPlain = outcomes.at(-1)?._tag === "Stored"
        while (outcomes.length < entries.length) outcomes.push(isPlain ? Outcome.Unsent() : Outcome.Misplaced())
        return outcomes
      })
      return {
        append: (kind, last, entries, until = Number.POSITIVE_INFINITY) => append(streams[kind], last, entries, until),
        readAfter: (kind, sequence) =>
          Effect.sync(() => {
            const stream = streams[kind]
            return { eventIds: stream.slice(sequence > stream.length ? 0 : sequence), last: stream.length }
          })
      }
    })
}
