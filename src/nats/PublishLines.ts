/**
 * Messages with headers, written as the client library sends them, and handed to it as one piece of bytes.
 *
 * The library's `publish` makes an object of a message's headers, looks for each name among those before it, and keeps
 * four pieces of memory until the write. That is most of what a message costs whose headers are ten.
 *
 * - What is put is handed over by `flush`, which whoever puts must call before the turn is over; byte for byte what the
 *   library would have sent, in the order of the calls.
 * - A message that breaks the rules for messages is refused with the library's own name for it, and nothing of it is sent.
 * - Bytes that were handed over are not written to again.
 */
import type { NatsConnection } from "@nats-io/transport-node"
import { type Protocol, protocolOf } from "./Protocol.ts"

export type LineRefusal =
  | "ClosedConnectionError"
  | "DrainingConnectionError"
  | "InvalidArgumentError"
  | "InvalidSubjectError"

const [carriageReturn, lineFeed] = [0x0d, 0x0a]
const unfitSubject = /\s/u
const unfitHeader = /[\r\n]/u

const nothing = Buffer.alloc(0)

/** Names of headers that were found fit: those of events are a dozen. */
const namesMax = 64

export class PublishLines {
  private readonly connection: NatsConnection
  private readonly protocol: Protocol
  private readonly fitNames = new Set<string>()
  private readonly slabBytes: number
  private readonly keepsSlab: boolean
  private slab: Buffer<ArrayBuffer> = nothing
  /** Of the slab: what was handed over ends, and what was written ends. */
  private given = 0
  private used = 0
  private count = 0
  private messageBytes = 0

  /**
   * `keepsSlab`: whether memory is used on behind what was handed over, for a connection that is much used; without it
   * nothing of that is kept here, nor much memory for it elsewhere.
   */
  constructor(connection: NatsConnection, { keepsSlab = true, slabBytes = 0x4_0000 } = {}) {
    const protocol = protocolOf(connection)
    if (protocol === null) {
      throw new Error("the NATS library takes bytes elsewhere than it did: src/nats/Protocol.ts has to follow")
    }
    this.connection = connection
    this.protocol = protocol
    this.keepsSlab = keepsSlab
    this.slabBytes = slabBytes
  }

  /**
   * Null: it will be sent. `own` are whole lines of headers, each with its end, which stand behind `headers`. An empty
   * `reply` is none.
   */
  put(
    subject: string,
    reply: string,
    headers: Readonly<Record<string, string>>,
    own: string,
    payload: Uint8Array
  ): LineRefusal | null {
    let block = "NATS/1.0\r\n"
    for (const name in headers) {
      const value = headers[name]!
      if (!this.isFit(name) || unfitHeader.test(value)) return "InvalidArgumentError"
      block += `${name}: ${value}\r\n`
    }
    block += `${own}\r\n`
    const headerBytes = Buffer.byteLength(block)
    const bytes = headerBytes + payload.length
    const to = reply === "" ? subject : `${subject} ${reply}`
    return this.write(subject, bytes, `HPUB ${to} ${headerBytes} ${bytes}\r\n${block}`, payload)
  }

  /** The same without headers. */
  putPlain(subject: string, reply: string, payload: Uint8Array): LineRefusal | null {
    return this.write(subject, payload.length, `PUB ${subject} ${reply} ${payload.length}\r\n`, payload)
  }

  flush(): void {
    const { count, given, messageBytes, protocol, slab, used } = this
    if (given === used) return
    this.given = used
    this.count = 0
    this.messageBytes = 0
    protocol.outMsgs += count
    protocol.outBytes += messageBytes
    protocol.sendCommand(this.keepsSlab ? slab.subarray(given, used) : this.taken())
  }

  /**
   * What was written, in memory that holds little else: a slow server may let it wait, and that of each turn beside it. Of a
   * slab that is nearly empty it is copied, and nothing of it stays there.
   */
  private taken(): Uint8Array {
    const { slab, used } = this
    if (used > slab.length / 2 || slab.length > this.slabBytes) {
      this.renew(nothing)
      return slab.subarray(0, used)
    }
    const copied = Buffer.allocUnsafeSlow(used)
    slab.copy(copied, 0, 0, used)
    slab.fill(0, 0, used)
    this.renew(slab)
    return copied
  }

  private write(subject: string, bytes: number, text: string, payload: Uint8Array): LineRefusal | null {
    const { protocol } = this
    if (protocol.isClosed()) return "ClosedConnectionError"
    if (protocol.noMorePublishing === true) return "DrainingConnectionError"
    if (subject === "" || unfitSubject.test(subject)) return "InvalidSubjectError"
    // While it connects anew the library knows no limit. Then it is for the server to refuse: ours would be a guess, and
    // a message refused by a guess may be given up.
    if (bytes > (this.connection.info?.max_payload ?? Number.POSITIVE_INFINITY)) return "InvalidArgumentError"
    // A character of a text is three bytes at most.
    this.makeRoom(3 * text.length + payload.length + 2)
    const into = this.slab
    let at = this.used
    at += into.write(text, at)
    into.set(payload, at)
    at += payload.length
    into[at++] = carriageReturn
    into[at++] = lineFeed
    this.used = at
    this.count++
    this.messageBytes += bytes
    return null
  }

  private isFit(name: string): boolean {
    if (this.fitNames.has(name)) return true
    if (name === "" || /[^!-9;-~]/u.test(name)) return false
    if (this.fitNames.size < namesMax) this.fitNames.add(name)
    return true
  }

  private makeRoom(bytes: number): void {
    if (this.used + bytes <= this.slab.length) return
    this.flush()
    this.renew(Buffer.allocUnsafeSlow(Math.max(this.slabBytes, bytes)))
  }

  private renew(slab: Buffer<ArrayBuffer>): void {
    this.slab = slab
    this.given = 0
    this.used = 0
  }
}
