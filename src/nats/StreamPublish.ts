/**
 * Messages for a stream, many in a row, each acknowledged by the server that stores it.
 *
 * Each message carries its id and the sequence it expects before it, so it is stored in its own place or not at all.
 * The first goes alone; when it stands in its place, as many are on their way at a time as the window says. Once one
 * was not stored in its place, nothing more is sent: what is behind it would be refused.
 *
 * The library's own call makes a timer, an error with its stack and three promises for each message, and its headers
 * cost as much again. Here one subscription serves all, one limit all that are sent together, an acknowledgement is
 * counted, and headers are written as bytes (`PublishLines.ts`).
 *
 * Once a time is over nothing more is sent, however fast acknowledgements come: what was sent is waited for, no longer than
 * the limit from then on. The first is sent in any case, so that whoever publishes again and again comes to an end.
 *
 * It never fails, and says nothing that the server has not said: what was not acknowledged within the limit may be
 * stored, now or in a moment.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Clock, Duration, Effect, Latch } from "effect"
import type { Ack } from "./AckInbox.ts"
import * as AckInbox from "./AckInbox.ts"
import { PublishLines } from "./PublishLines.ts"

export interface StreamMessage {
  /** The server recognises it again by this. */
  readonly id: string
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

export interface Place {
  readonly stream: string
  /** The sequence that the first message expects before it. */
  readonly last: number
  /** Messages on their way at a time. */
  readonly windowMax: number
  /** How long nothing may be acknowledged. */
  readonly limit: Duration.Duration
  /** Milliseconds of the monotonic clock: after that nothing but the first message is sent. */
  readonly until: number
}

export interface StreamPublish {
  /** An acknowledgement for each message from the first on, in their order; those it has none for were not sent. */
  readonly publishChain: (messages: ReadonlyArray<StreamMessage>, place: Place) => Effect.Effect<ReadonlyArray<Ack>>
}

const unfitId = /[\r\n]/u
const unanswered: Ack = { kind: "unknown", reason: "no answer in time" }

/** Messages that are being published. */
interface Chain {
  /** The number in the first one's reply subject; the others' follow. */
  readonly base: number
  /** Whoever hears the messages knows where they are acknowledged, and can have another stream's acknowledgement sent there. */
  readonly stream: string
  readonly acknowledge: (at: number, ack: Ack) => void
  readonly sent: () => number
}

/** The subscription lives as long as the scope. `inboxPrefix` is the connection's own. */
export const make = Effect.fnUntraced(function* (connection: NatsConnection, inboxPrefix: string) {
  const lines = new PublishLines(connection)
  const clock = yield* Clock.Clock
  /** A few: one for each stream. */
  const chains = new Set<Chain>()
  let count = 0
  const inbox = yield* AckInbox.make(connection, inboxPrefix, (number: number, message: Msg) => {
    for (const { acknowledge, base, sent, stream } of chains) {
      if (number >= base && number < base + sent()) return acknowledge(number - base, AckInbox.ackOf(message, stream))
    }
  })

  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const publishChain: StreamPublish["publishChain"] = (messages, { last, limit, stream, until, windowMax }) =>
    Effect.suspend(() => {
      const base = count
      count += messages.length
      const acks: Array<Ack | undefined> = []
      const done = Latch.makeUnsafe(false)
      const expects = `\r\nNats-Expected-Stream: ${stream}\r\nNats-Expected-Last-Sequence: `
      let [sent, answered] = [0, 0]
      let isOpen = true
      let isPumping = false
      let heardAt = now()
      const limitMs = Duration.toMillis(limit)

      const answer = (at: number, ack: Ack): void => {
        acks[at] = ack
        answered++
        if (ack.kind !== "stored" || ack.duplicate || ack.sequence !== last + 1 + at) isOpen = false
      }
      const sendNext = (): void => {
        const at = sent++
        const { headers, id, payload, subject } = messages[at]!
        const own = `Nats-Msg-Id: ${id}${expects}${last + at}\r\n`
        const refusal = unfitId.test(id)
          ? "InvalidArgumentError"
          : lines.put(subject, `${inbox.prefix}${base + at}`, headers, own, payload)
        if (refusal !== null) answer(at, { kind: "unsent", reason: refusal })
      }
      const pump = (): void => {
        isPumping = false
        heardAt = now()
        const window = answered === 0 ? 1 : windowMax
        const end = heardAt < until ? messages.length : Math.min(1, messages.length)
        while (isOpen && sent < end && sent - answered < window) sendNext()
        lines.flush()
        if (answered === sent) done.openUnsafe()
      }
      /** All acknowledgements that came in one read are answered by one write. */
      const acknowledge = (at: number, ack: Ack): void => {
        if (acks[at] !== undefined) return
        answer(at, ack)
        if (isPumping) return
        isPumping = true
        queueMicrotask(pump)
      }
      const chain: Chain = { base, stream, acknowledge, sent: () => sent }
      chains.add(chain)

      /** Ends when all that was sent is acknowledged, or none has been for as long as the limit, or that long behind the time. */
      const startedAt = heardAt
      const endsAt = (): number => Math.min(heardAt, Math.max(startedAt, until)) + limitMs
      const awaitAll: Effect.Effect<void> = Effect.suspend(() =>
        Effect.timeoutOrElse(done.await, {
          duration: Duration.millis(Math.max(0, endsAt() - now())),
          orElse: () => (now() >= endsAt() ? Effect.void : awaitAll)
        })
      )
      return Effect.sync(() => {
        try {
          inbox.listen()
        } catch {
          // The connection is closed, as the first message will say.
        }
        pump()
      }).pipe(
        Effect.andThen(awaitAll),
        Effect.ensuring(
          Effect.sync(() => {
            isOpen = false
            chains.delete(chain)
          })
        ),
        Effect.map((): ReadonlyArray<Ack> => Array.from({ length: sent }, (_, at) => acks[at] ?? unanswered))
      )
    })

  return { publishChain } satisfies StreamPublish
})
