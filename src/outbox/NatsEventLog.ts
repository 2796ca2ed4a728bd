/**
 * The event streams in JetStream.
 *
 * Every message carries its id (`Nats-Msg-Id`) and the sequence it expects before it
 * (`Nats-Expected-Last-Sequence`), which the stream's leader checks before it proposes anything. The
 * first message goes alone (`StreamPublish.ts`): with sequences alone, a batch that starts one too low would lose its
 * first message and store its second. (Expecting the previous message's id would close that too, but in a
 * cluster of 2.15.2 a refusal of that kind leaves the stream without writes; measured.) Reading asks the
 * stream's leader for its end and any copy for the messages.
 */
import { JetStreamApiCodes, type StoredMsg } from "@nats-io/jetstream"
import { Duration, Effect, Layer } from "effect"
import type { Ack } from "../nats/AckInbox.ts"
import * as DirectGet from "../nats/DirectGet.ts"
import { Nats } from "../nats/Nats.ts"
import * as StreamPublish from "../nats/StreamPublish.ts"
import { Streams } from "../nats/Streams.ts"
import { type Appendable, EventLog, EventLogUnavailable, Outcome, type StreamKind, type Tail } from "./EventLog.ts"
import { OutboxConfig } from "./OutboxConfig.ts"

/** Messages of one read. Their payloads come along, so not too many. */
const readBatchMax = 500
const readLimit = Duration.seconds(3)

/**
 * The server says that this message cannot be stored, whatever else happens. That a stream does not take a
 * subject of ours (10060) says something of the stream, which somebody made or changed by hand: it is trouble,
 * and no message is given up for it.
 */
const refusingCodes = new Set<number>([10054])
const misplacedCodes = new Set<number>([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown
])
/** The client's own checks of a message, before anything is sent. */
const refusingNames = new Set(["InvalidSubjectError", "InvalidArgumentError"])

const outcomeOf = (ack: Ack): Outcome => {
  switch (ack.kind) {
    case "stored":
      return ack.duplicate ? Outcome.Duplicate({ sequence: ack.sequence }) : Outcome.Stored({ sequence: ack.sequence })
    case "error": {
      if (misplacedCodes.has(ack.code)) return Outcome.Misplaced()
      const reason = `JetStream error ${ack.code}`
      return refusingCodes.has(ack.code) ? Outcome.Refused({ reason }) : Outcome.Uncertain({ reason })
    }
    case "unsent":
      return refusingNames.has(ack.reason)
        ? Outcome.Refused({ reason: ack.reason })
        : Outcome.Uncertain({ reason: ack.reason })
    case "unknown":
      return Outcome.Uncertain({ reason: ack.reason })
  }
}

/** Of `count` entries, appended behind `last`. */
export const outcomesOf = (acks: ReadonlyArray<Ack>, count: number, last: number): ReadonlyArray<Outcome> => {
  const outcomes = acks.map(outcomeOf)
  // While each is stored in its place, only the time keeps what stands behind it from being sent. Else it would be refused.
  const isPlain = outcomes.every((one, at) => one._tag === "Stored" && one.sequence === last + 1 + at)
  while (outcomes.length < count) outcomes.push(isPlain ? Outcome.Unsent() : Outcome.Misplaced())
  return outcomes
}

/** A message that somebody stored with headers that break the rules has no id. */
const eventIdOf = (stored: StoredMsg): string => {
  try {
    return stored.header.get("Nats-Msg-Id")
  } catch {
    return ""
  }
}

const messageOf = ({ eventId, headers, payload, subject }: Appendable): StreamPublish.StreamMessage => ({
  id: eventId,
  subject,
  payload,
  headers
})

const make = Effect.gen(function* () {
  const { control, inboxPrefix, jetstreamManager } = yield* Nats
  const names = yield* Streams
  const { batchMax: windowMax, publishTimeout } = yield* OutboxConfig
  const directGet = yield* DirectGet.make(control, inboxPrefix)
  const streamPublish = yield* StreamPublish.make(control, inboxPrefix)

  const unavailable = (stream: string) => (cause: unknown) =>
    new EventLogUnavailable({ stream, reason: cause instanceof Error ? cause.name : "unknown" })

  /** The first message after `sequence` by the stream's leader, or null when there is none. */
  const nextByLeader = (stream: string, sequence: number) => {
    const query = { seq: sequence + 1, next_by_subj: ">" }
    return Effect.tryPromise({
      try: () => jetstreamManager.streams.getMessage(stream, query),
      catch: unavailable(stream)
    })
  }

  const readAfter = Effect.fn("EventLog.readAfter")(function* (kind: StreamKind, after: number) {
    const stream = names[kind]
    const { state } = yield* Effect.tryPromise({
      try: () => jetstreamManager.streams.info(stream),
      catch: unavailable(stream)
    })
    const eventIds: Array<string> = []
    // A stream that is shorter than remembered was made anew: nothing of it is known.
    let read = Math.max(after > state.last_seq ? 0 : after, state.first_seq - 1)
    while (read < state.last_seq) {
      const { messages } = yield* directGet.from(stream, read + 1, readBatchMax, readLimit)
      for (const message of messages) {
        const eventId = message.header("Nats-Msg-Id")
        if (eventId !== null) eventIds.push(eventId)
        read = Math.max(read, message.sequence)
      }
      if (messages.length > 0) continue
      // A copy that is behind has nothing to say; the leader knows whether there is more.
      const next = yield* nextByLeader(stream, read)
      if (next === null) break
      const eventId = eventIdOf(next)
      if (eventId !== "") eventIds.push(eventId)
      read = Math.max(read, next.seq)
    }
    const tail: Tail = { eventIds, last: Math.max(read, state.last_seq) }
    return tail
  })

  const append = (stream: string, last: number, entries: ReadonlyArray<Appendable>, until: number) =>
    Effect.map(
      streamPublish.publishChain(entries.map(messageOf), { stream, last, windowMax, limit: publishTimeout, until }),
      (acks) => outcomesOf(acks, entries.length, last)
    )

  return EventLog.of({
    append: (kind, last, entries, until = Number.POSITIVE_INFINITY) => append(names[kind], last, entries, until),
    readAfter
  })
})

/** Needs `Nats`, `Streams`, `OutboxConfig`. */
export const layer = Layer.effect(EventLog, make)
