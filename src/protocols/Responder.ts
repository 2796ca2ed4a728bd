/**
 * Answers, and to whom they may go.
 *
 * The reply subject is the caller's choice: without a rule a caller could make this service publish
 * onto its own management subjects, its buckets or the JetStream API. So it must be an inbox
 * (`_INBOX.`, `_R_.`) or a replica subject (`kaa.v1.replica.`), hold no wildcard, and not be an
 * inbox of this service. A request whose reply subject breaks the rule is not carried out.
 *
 * Sending never throws: a closed connection or an answer over the server's limit is told to the
 * caller of `send`, which counts it.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node"

const prefixes = ["_INBOX.", "_R_.", "kaa.v1.replica."] as const
/** Room that an answer's headers may take of the server's `max_payload`. */
export const headerBytesMax = 4_096
/** The limit of a server that has not said one. */
const payloadBytesDefault = 1_048_576

export type ReplyRule = (reply: string | undefined) => "allowed" | "missing" | "refused"

/** The rule for a service whose own inboxes begin with `inboxPrefix`. */
export const replyRule = (inboxPrefix: string): ReplyRule => {
  if (prefixes.some((prefix) => `${inboxPrefix}.` === prefix)) {
    throw new Error("the service needs an inbox prefix of its own, or no caller could be told from it")
  }
  const own = `${inboxPrefix}.`
  return (reply) => {
    if (reply === undefined || reply === "") return "missing"
    const known = reply.startsWith("_INBOX.") || reply.startsWith("kaa.v1.replica.") || reply.startsWith("_R_.")
    const isOwn = reply === inboxPrefix || reply.startsWith(own)
    // What was no UTF-8 would be answered at another subject than was asked for.
    const isSubject = !/[*>\s\ufffd]|\.\.|\.$/u.test(reply)
    return known && !isOwn && isSubject ? "allowed" : "refused"
  }
}

const plainInbox = Buffer.from("_INBOX.")
const [dot, star, wildcard, firstVisible, lastVisible] = [0x2e, 0x2a, 0x3e, 0x21, 0x7e]

const beginsWith = (subject: Uint8Array, prefix: Uint8Array): boolean => {
  for (let at = 0; at < prefix.length; at++) if (subject[at] !== prefix[at]) return false
  return true
}

/**
 * The same for a subject in bytes, quickly: `true` for what the rule allows; `false` says nothing, and is for the rule
 * to decide. True are inboxes of the usual kind, in ASCII, which do not begin as those of the service.
 */
export const plainReplyRule = (inboxPrefix: string): ((subject: Uint8Array) => boolean) => {
  const own = Buffer.from(inboxPrefix)
  return (subject) => {
    if (!beginsWith(subject, plainInbox) || beginsWith(subject, own)) return false
    let before = dot
    for (let at = plainInbox.length; at < subject.length; at++) {
      const byte = subject[at]!
      if (byte === star || byte === wildcard || byte < firstVisible || byte > lastVisible) return false
      if (byte === dot && before === dot) return false
      before = byte
    }
    return before !== dot
  }
}

/** Bytes that a payload may have on this connection, its headers left aside. */
export const payloadBytesMax = (connection: NatsConnection): number =>
  (connection.info?.max_payload ?? payloadBytesDefault) - headerBytesMax

/** Where an answer goes. */
export interface ReplyTo extends Pick<Msg, "respond"> {
  /** That are kept for it. */
  readonly bytes: number
}

/**
 * What an answer needs of its message, for an answer that comes later: a message keeps its payload, its headers,
 * and all else that the socket's read brought with it.
 */
export const replyTo = (connection: NatsConnection, { reply = "" }: Msg): ReplyTo => ({
  bytes: reply.length,
  respond: (payload) => {
    if (reply === "") return false
    connection.publish(reply, payload)
    return true
  }
})

/** The same text, with memory of its own: what was cut out of a longer one keeps all of that. */
export const ownText = (text: string): string => Buffer.from(text, "utf8").toString("utf8")

/** False when the answer could not be handed to the connection. One with headers goes by `nats/Answers.ts`. */
export const send = (message: Pick<Msg, "respond">, payload: Uint8Array | string): boolean => {
  try {
    return message.respond(payload)
  } catch {
    return false
  }
}
