/**
 * Messages for a stream, many at once, each acknowledged by the server that stores it.
 *
 * The library's own call makes a timer, an error with its stack and three promises for each message, a third of
 * what publishing takes. Here one subscription serves all, and one limit all that are sent together.
 *
 * It never fails, and says nothing that the server has not said: what was not acknowledged within the limit may be
 * stored, now or in a moment.
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node"
import { headers as makeHeaders, nuid } from "@nats-io/transport-node"
import { type Duration, Effect } from "effect"
import * as Door from "./Door.ts"

export interface StreamMessage {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

export type Ack =
  | { readonly kind: "stored"; readonly sequence: number; readonly duplicate: boolean }
  /** The stream's leader refuses it; a code of JetStream's API. */
  | { readonly kind: "error"; readonly code: number }
  /** Nothing was sent: the client's own check, or a connection that is closed. The name of its error. */
  | { readonly kind: "unsent"; readonly reason: string }
  /** It may be stored. */
  | { readonly kind: "unknown"; readonly reason: string }

export interface StreamPublish {
  /** An acknowledgement for each message, in their order. They are sent in that order, without waiting. */
  readonly publishAll: (
    messages: ReadonlyArray<StreamMessage>,
    limit: Duration.Duration
  ) => Effect.Effect<ReadonlyArray<Ack>>
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/** What a server answers: JSON with a sequence or an error; a status line where there is no stream. */
const ackOf = (msg: Msg): Ack => {
  try {
    if (msg.data.length === 0) return { kind: "unknown", reason: `status ${msg.headers?.code ?? 0}` }
    const { duplicate, error, seq, stream } = JSON.parse(Buffer.from(msg.data).toString("utf8"))
    if (isCount(error?.err_code)) return { kind: "error", code: error.err_code }
    if (typeof stream !== "string" || stream === "" || !isCount(seq))
      return { kind: "unknown", reason: "no answer of a stream" }
    return { kind: "stored", sequence: seq, duplicate: duplicate === true }
  } catch {
    return { kind: "unknown", reason: "no answer of a stream" }
  }
}

const headersOf = (named: StreamMessage["headers"]) => {
  const headers = makeHeaders()
  for (const [name, value] of Object.entries(named)) headers.set(name, value)
  return headers
}

/** The subscription lives as long as the scope. `inboxPrefix` is the connection's own. */
export const make = Effect.fnUntraced(function* (connection: NatsConnection, inboxPrefix: string) {
  const inbox = `${inboxPrefix}.${nuid.next()}`
  const waiting = new Map<string, (ack: Ack) => void>()
  const open = yield* Door.make
  let count = 0

  const run = Effect.runForkWith(yield* Effect.context<never>())
  let subscription: Subscription | null = null

  const onMessage = (msg: Msg) => waiting.get(msg.subject)?.(ackOf(msg))
  /** Throws where the connection is closed. One that the server has ended is made anew by the next who publishes. */
  const listen = (): void => {
    subscription ??= open(connection, `${inbox}.*`, {
      take: onMessage,
      unreadable: onMessage,
      ended: (error) => {
        subscription = null
        run(Effect.logError("the bus ended the subscription for acknowledgements", { error: error.message }))
      }
    })
  }
  yield* Effect.acquireRelease(Effect.sync(listen), () => Effect.sync(() => subscription?.unsubscribe()))

  const publishAll: StreamPublish["publishAll"] = (messages, limit) =>
    Effect.suspend(() => {
      const acks: Array<Ack> = messages.map(() => ({ kind: "unknown", reason: "no answer in time" }))
      const replies: Array<string> = []
      let left = messages.length
      const all = Effect.callback<void>((resume) => {
        const answered = (at: number, ack: Ack) => {
          acks[at] = ack
          left--
          if (left === 0) resume(Effect.void)
        }
        for (const [at, { headers, payload, subject }] of messages.entries()) {
          const reply = `${inbox}.${count++}`
          replies.push(reply)
          waiting.set(reply, (ack) => {
            if (waiting.delete(reply)) answered(at, ack)
          })
          try {
            listen()
            connection.publish(subject, payload, { headers: headersOf(headers), reply })
          } catch (cause) {
            if (!waiting.delete(reply)) continue
            answered(at, { kind: "unsent", reason: cause instanceof Error ? cause.name : "unknown" })
          }
        }
        if (messages.length === 0) resume(Effect.void)
      })
      return all.pipe(
        Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.void }),
        Effect.ensuring(
          Effect.sync(() => {
            for (const reply of replies) waiting.delete(reply)
          })
        ),
        Effect.map((): ReadonlyArray<Ack> => acks)
      )
    })

  return { publishAll } satisfies StreamPublish
})
