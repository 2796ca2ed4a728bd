/**
 * Many stored messages for one request: the direct get of JetStream, asked raw.
 *
 * The client library's own call leaks a subscription each time it is used as an iterator; here one
 * subscription serves all requests. Answers may come from any copy of the stream, so they may be
 * from the past: who needs more than that checks it (`outbox` by compare-and-set, `actors` by the
 * sequence in each entry).
 *
 * Where a question is answered is drawn by lot: who has seen the reply subject of one knows none of another.
 *
 * A request never fails. `complete` says that the server's end marker came, and all before it; without it the messages
 * are those that had arrived when the time was up, or before one was missing.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { type Duration, Effect } from "effect"
import * as Door from "./Door.ts"
import { drawInbox, drawNumber } from "./drawn.ts"
import { isNextAfter, isStoredMessage } from "./storedMessage.ts"

/** Subjects one request may name; the server refuses more than 1,024. */
export const subjectsMax = 256

export interface StoredMessage {
  readonly subject: string
  readonly sequence: number
  readonly data: Uint8Array
  /** The message's own header, or null. */
  readonly header: (name: string) => string | null
}

export interface DirectAnswer {
  readonly messages: ReadonlyArray<StoredMessage>
  readonly complete: boolean
}

export interface DirectGet {
  /** The newest message of each subject. At most `subjectsMax` subjects. */
  readonly lastOf: (
    stream: string,
    subjects: ReadonlyArray<string>,
    limit: Duration.Duration
  ) => Effect.Effect<DirectAnswer>
  /** Messages from `sequence` on, oldest first, at most `count`. */
  readonly from: (
    stream: string,
    sequence: number,
    count: number,
    limit: Duration.Duration
  ) => Effect.Effect<DirectAnswer>
  /** The same of one subject. */
  readonly ofSubject: (
    stream: string,
    subject: string,
    sequence: number,
    count: number,
    limit: Duration.Duration
  ) => Effect.Effect<DirectAnswer>
}

interface Waiting {
  readonly messages: Array<StoredMessage>
  /** The sequence of the last one, or 0. */
  last: number
  readonly done: (complete: boolean) => void
}

/** What the server says it says last: a message may have been stored with headers of the same names. */
const storedMessageOf = (msg: Msg): StoredMessage => ({
  subject: msg.headers!.last("Nats-Subject"),
  sequence: Number(msg.headers!.last("Nats-Sequence")),
  data: msg.data,
  header: (name) => msg.headers!.get(name) || null
})

/**
 * 204 ends an answer, one that is missing before it, too; 404 is an answer that holds nothing; 503 means that no server has the stream right now.
 * A message that was stored with such a line of its own ends nothing.
 */
const endOf = (msg: Msg, last: number): { readonly complete: boolean } | null => {
  const code = isStoredMessage(msg) ? 0 : (msg.headers?.code ?? 0)
  if (code === 204) return { complete: isNextAfter(msg, last) }
  // In the middle: one that is there cannot be read.
  if (code === 404) return { complete: last === 0 }
  return msg.headers === undefined || code >= 400 || !isNextAfter(msg, last) ? { complete: false } : null
}

/** The subscription lives as long as the scope. `inboxPrefix` is the connection's own. */
export const make = Effect.fnUntraced(function* (connection: NatsConnection, inboxPrefix: string) {
  const inbox = drawInbox(inboxPrefix)
  const waiting = new Map<string, Waiting>()
  const open = yield* Door.make

  // Of a stored message with headers that break the rules, what can be read is there: the server's own, too.
  const onMessage = (msg: Msg) => {
    const waiter = waiting.get(msg.subject)
    if (waiter === undefined) return
    const end = endOf(msg, waiter.last)
    if (end !== null) {
      waiting.delete(msg.subject)
      return waiter.done(end.complete)
    }
    const stored = storedMessageOf(msg)
    waiter.messages.push(stored)
    waiter.last = stored.sequence
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => open(connection, `${inbox}.*`, { take: onMessage, unreadable: onMessage })),
    (subscription) => Effect.sync(() => subscription.unsubscribe())
  )

  const ask = (stream: string, request: unknown, limit: Duration.Duration): Effect.Effect<DirectAnswer> =>
    Effect.suspend(() => {
      const reply = `${inbox}.${drawNumber()}`
      const messages: Array<StoredMessage> = []
      const answer = Effect.callback<DirectAnswer>((resume) => {
        waiting.set(reply, { messages, last: 0, done: (complete) => resume(Effect.succeed({ messages, complete })) })
        try {
          connection.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply })
        } catch {
          resume(Effect.succeed({ messages, complete: false }))
        }
        return Effect.sync(() => waiting.delete(reply))
      })
      return answer.pipe(
        Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.succeed({ messages, complete: false }) }),
        Effect.ensuring(Effect.sync(() => waiting.delete(reply)))
      )
    })

  const directGet: DirectGet = {
    lastOf: (stream, subjects, limit) => ask(stream, { multi_last: subjects }, limit),
    from: (stream, sequence, batch, limit) => ask(stream, { seq: sequence, batch }, limit),
    ofSubject: (stream, subject, sequence, batch, limit) =>
      ask(stream, { seq: sequence, batch, next_by_subj: subject }, limit)
  }
  return directGet
})
