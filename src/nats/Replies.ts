/**
 * Answers of one connection, all of a turn in one command to the library.
 *
 * The library makes a text of the reply subject, another of the protocol's line, encodes that, and keeps three
 * pieces of memory for each answer. At the rate of validations this is a fifth of what a bare echo costs. Here the line is
 * written as bytes, behind it the answer, and the library is handed all answers of a turn as one
 * piece. Connecting, TLS, pings, reconnecting and draining stay the library's.
 *
 * Promises:
 * - what is sent is, byte for byte, what `respond` would have sent, and in the same turn; but a reply subject that is
 *   no UTF-8 is answered as it came;
 * - nothing is thrown; what cannot be sent is told to who sends it;
 * - memory that was handed over is never written again;
 * - a message or a connection that keeps things elsewhere is answered by `respond`.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { type Protocol, protocolOf } from "./Protocol.ts"

/** What the library keeps of a message. */
interface Inside {
  readonly _msg?: { readonly reply?: unknown }
}

/** The subject that a message asks to be answered at, as it came; null where the library keeps it elsewhere. */
export const replySubjectOf = (message: Msg): Uint8Array | null => {
  const reply = (message as unknown as Inside)._msg?.reply
  return reply instanceof Uint8Array && reply.length > 0 ? reply : null
}

/**
 * A message that is answered later, as far as its answer needs it: a message keeps its payload, and all else that came
 * with it in one read.
 */
export const withoutPayload = (connection: NatsConnection, message: Msg): Msg => {
  const read = replySubjectOf(message)
  // What a socket gives is a `Buffer`, whose `slice` copies nothing.
  const subject = read === null ? undefined : new Uint8Array(read)
  const reply = subject === undefined ? message.reply : undefined
  const respond: Msg["respond"] = (payload, options) => {
    connection.publish(reply ?? Buffer.from(subject ?? []).toString(), payload, options)
    return true
  }
  return { _msg: { reply: subject }, respond } as unknown as Msg
}

const slabBytes = 0x4_0000
/** `PUB `, a space, a number of at most ten digits, and two ends of lines. */
const lineBytesMax = 4 + 1 + 10 + 2 + 2
/** What is longer goes to the library, which knows the server's limit. */
const payloadBytesMax = 0x1000

const [space, carriageReturn, lineFeed, zero] = [0x20, 0x0d, 0x0a, 0x30]

export class Replies {
  private readonly protocol: Protocol | null
  private slab = Buffer.allocUnsafeSlow(slabBytes)
  /** Of the slab: what was handed over ends, and what was written ends. */
  private given = 0
  private used = 0
  private count = 0
  private payloadBytes = 0
  private isTurn = false
  private readonly onTurnEnd = () => {
    this.isTurn = false
    this.flush()
  }

  constructor(connection: NatsConnection) {
    this.protocol = protocolOf(connection)
  }

  /** Whether answers go the short way. */
  get isShort(): boolean {
    return this.protocol !== null
  }

  /** False when the answer could not be handed to the connection. */
  send(message: Msg, payload: Uint8Array): boolean {
    const { protocol } = this
    const subject = protocol === null ? null : replySubjectOf(message)
    if (protocol === null || subject === null || subject.length > payloadBytesMax || payload.length > payloadBytesMax) {
      try {
        return message.respond(payload)
      } catch {
        return false
      }
    }
    if (protocol.isClosed()) return false
    this.put(subject, payload)
    if (!this.isTurn) {
      this.isTurn = true
      queueMicrotask(this.onTurnEnd)
    }
    return true
  }

  /** Hands over what was sent in this turn. It is done at the turn's end, too. */
  flush(): void {
    const { count, given, payloadBytes, protocol, slab, used } = this
    if (protocol === null || given === used) return
    this.given = used
    this.count = 0
    this.payloadBytes = 0
    protocol.outMsgs += count
    protocol.outBytes += payloadBytes
    protocol.sendCommand(slab.subarray(given, used))
  }

  /** Lets what was sent leave at once, for who still has much to send in this turn. */
  passOn(): void {
    this.flush()
    this.protocol?.flushPending?.()
  }

  private put(subject: Uint8Array, payload: Uint8Array): void {
    if (this.used + lineBytesMax + subject.length + payload.length > slabBytes) this.renew()
    const into = this.slab
    let at = this.used
    into[at++] = 0x50 // P
    into[at++] = 0x55 // U
    into[at++] = 0x42 // B
    into[at++] = space
    for (let from = 0; from < subject.length; ) into[at++] = subject[from++]!
    into[at++] = space
    at = putDecimal(into, at, payload.length)
    into[at++] = carriageReturn
    into[at++] = lineFeed
    into.set(payload, at)
    at += payload.length
    into[at++] = carriageReturn
    into[at++] = lineFeed
    this.used = at
    this.count++
    this.payloadBytes += payload.length
  }

  private renew(): void {
    this.flush()
    this.slab = Buffer.allocUnsafeSlow(slabBytes)
    this.given = 0
    this.used = 0
  }
}

/** Writes a whole number; answers where it ends. */
const putDecimal = (into: Uint8Array, at: number, value: number): number => {
  let end = at + 1
  for (let left = value; left >= 10; left = Math.floor(left / 10)) end++
  let left = value
  for (let place = end - 1; place >= at; place--) {
    into[place] = zero + (left % 10)
    left = Math.floor(left / 10)
  }
  return end
}
