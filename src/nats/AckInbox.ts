/**
 * Where a publisher hears what streams acknowledge: one subscription for all that it publishes.
 *
 * A message's reply subject is `prefix` and its number; what comes is handed on with that number. Who hears the messages sees
 * their reply subjects: what is seen of one inbox says nothing of another one.
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node"
import { Clock, Effect } from "effect"
import * as Seldom from "../observability/Seldom.ts"
import * as Door from "./Door.ts"
import { drawInbox } from "./drawn.ts"
import { isStoredMessage } from "./storedMessage.ts"

export type Ack =
  | { readonly kind: "stored"; readonly sequence: number; readonly duplicate: boolean }
  /** The server stored nothing; `code` is JetStream's `err_code`. */
  | { readonly kind: "error"; readonly code: number }
  /** It never left. */
  | { readonly kind: "unsent"; readonly reason: string }
  /** It may be stored. */
  | { readonly kind: "unknown"; readonly reason: string }

export interface AckInbox {
  /** Of reply subjects; the number of the message follows. */
  readonly prefix: string
  /**
   * Listens anew where the server has ended the subscription, once a second at most: one that is refused is asked for by
   * every message. Throws where the connection is closed.
   */
  readonly listen: () => void
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/**
 * What a server answers: JSON with a sequence or an error; a status line where there is no stream. Another stream than
 * `from` acknowledges nothing, nor does a stored message whose body says what an acknowledgement says: the server names its
 * sequence, or where to acknowledge it.
 */
export const ackOf = (msg: Msg, from?: string): Ack => {
  try {
    if (isStoredMessage(msg) || msg.reply) return { kind: "unknown", reason: "a stored message" }
    if (msg.data.length === 0) return { kind: "unknown", reason: `status ${msg.headers?.code ?? 0}` }
    const { duplicate, error, seq, stream } = JSON.parse(Buffer.from(msg.data).toString("utf8"))
    if (isCount(error?.err_code)) return { kind: "error", code: error.err_code }
    if (typeof stream !== "string" || stream === "" || !isCount(seq) || stream !== (from ?? stream))
      return { kind: "unknown", reason: "no answer of a stream" }
    return { kind: "stored", sequence: seq, duplicate: duplicate === true }
  } catch {
    return { kind: "unknown", reason: "no answer of a stream" }
  }
}

/** The subscription lives as long as the scope. `inboxPrefix` is the connection's own. */
export const make = Effect.fnUntraced(function* (
  connection: NatsConnection,
  inboxPrefix: string,
  take: (number: number, message: Msg) => void
) {
  const prefix = `${drawInbox(inboxPrefix)}.`
  const open = yield* Door.make
  const clock = yield* Clock.Clock
  const ends = yield* Seldom.make
  let subscription: Subscription | null = null
  let anewAtMs = Number.NEGATIVE_INFINITY
  const onMessage = (message: Msg) => take(Number(message.subject.slice(prefix.length)), message)
  const subscribe = (): void => {
    subscription = open(connection, `${prefix}*`, {
      take: onMessage,
      unreadable: onMessage,
      ended: (error) => {
        subscription = null
        ends.tellUnsafe(
          Effect.logError("the bus ended the subscription for acknowledgements", { error: error.message })
        )
      }
    })
  }
  const listen = (): void => {
    if (subscription !== null) return
    const nowMs = Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    if (nowMs - anewAtMs < Seldom.everyMs) return
    subscribe()
    anewAtMs = nowMs
  }
  yield* Effect.acquireRelease(Effect.sync(subscribe), () => Effect.sync(() => subscription?.unsubscribe()))
  return { prefix, listen } satisfies AckInbox
})
