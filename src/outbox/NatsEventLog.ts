/**
 * The event streams in JetStream.
 *
 * A chain is published without waiting in between. Its first message names the sequence it expects
 * before it, each other one the id of the message before it, so the server refuses whatever comes after
 * a hole. (Sequences alone would not do: a chain that starts one too low would lose its first message
 * and store its second.) Reading asks the stream's leader for its end and any copy for the messages.
 */
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream"
import { headers as makeHeaders } from "@nats-io/transport-node"
import { Duration, Effect, Layer } from "effect"
import * as DirectGet from "../nats/DirectGet.ts"
import { Nats } from "../nats/Nats.ts"
import { Streams } from "../nats/Streams.ts"
import { type Appendable, EventLog, EventLogUnavailable, Outcome, type StreamKind, type Tail } from "./EventLog.ts"
import { OutboxConfig } from "./OutboxConfig.ts"

/** Messages of one read. Their payloads come along, so not too many. */
const readBatchMax = 500
const readLimit = Duration.seconds(3)

/** The server says that this message cannot be stored, whatever else happens: too large, not of this stream. */
const refusingCodes = new Set<number>([10054, 10060, 10173])
/** "Wrong last message id", which the client library has no name for. */
const wrongLastMessageId = 10070
const misplacedCodes = new Set<number>([
  wrongLastMessageId,
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown
])
/** The client's own checks of a message, before anything is sent. */
const refusingNames = new Set(["InvalidSubjectError", "InvalidArgumentError"])

const outcomeOfError = (error: unknown): Outcome => {
  if (error instanceof JetStreamApiError) {
    if (misplacedCodes.has(error.code)) return Outcome.Misplaced()
    if (refusingCodes.has(error.code)) return Outcome.Refused({ reason: `JetStream error ${error.code}` })
    return Outcome.Uncertain({ reason: `JetStream error ${error.code}` })
  }
  if (!(error instanceof Error)) return Outcome.Uncertain({ reason: "unknown" })
  return refusingNames.has(error.name)
    ? Outcome.Refused({ reason: error.name })
    : Outcome.Uncertain({ reason: error.name })
}

const headersOf = (entry: Appendable) => {
  const headers = makeHeaders()
  for (const [name, value] of Object.entries(entry.headers)) headers.set(name, value)
  return headers
}

const make = Effect.gen(function* () {
  const { control, inboxPrefix, jetstream, jetstreamManager } = yield* Nats
  const names = yield* Streams
  const { publishTimeout } = yield* OutboxConfig
  const directGet = yield* DirectGet.make(control, inboxPrefix)
  const timeout = Duration.toMillis(publishTimeout)

  const publish = (
    stream: string,
    behind: { readonly lastSequence: number } | { readonly lastMsgID: string },
    entry: Appendable
  ): Promise<Outcome> =>
    Promise.resolve()
      .then(() =>
        jetstream.publish(entry.subject, entry.payload, {
          headers: headersOf(entry),
          msgID: entry.eventId,
          expect: { streamName: stream, ...behind },
          timeout
        })
      )
      .then(({ duplicate, seq }) =>
        duplicate ? Outcome.Duplicate({ sequence: seq }) : Outcome.Stored({ sequence: seq })
      )
      .catch(outcomeOfError)

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
      const eventId = next.header.get("Nats-Msg-Id")
      if (eventId !== "") eventIds.push(eventId)
      read = Math.max(read, next.seq)
    }
    const tail: Tail = { eventIds, last: Math.max(read, state.last_seq) }
    return tail
  })

  return EventLog.of({
    append: (kind, last, entries) =>
      Effect.promise(() =>
        Promise.all(
          entries.map((entry, index) =>
            publish(
              names[kind],
              index === 0 ? { lastSequence: last } : { lastMsgID: entries[index - 1]!.eventId },
              entry
            )
          )
        )
      ),
    readAfter
  })
})

/** Needs `Nats`, `Streams`, `OutboxConfig`. */
export const layer = Layer.effect(EventLog, make)
