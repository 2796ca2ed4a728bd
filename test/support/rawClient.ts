/**
 * A client that writes frames by hand, for messages that no client library would send: header blocks of any
 * bytes, payloads of any size, reply subjects of any form.
 *
 * It hears one inbox of its own, so that what is owed an answer can be seen to get one.
 */
import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import { eventually } from "./eventually.ts"

export interface RawAnswer {
  /** The header block as it came, or empty. */
  readonly headers: string
  readonly data: Buffer
}

export interface RawMessage {
  readonly subject: string
  readonly payload?: Uint8Array | string
  /** The whole header block, its first line and its end included. */
  readonly headers?: Uint8Array | string
  readonly reply?: string
}

export interface RawClient {
  readonly publish: (message: RawMessage) => void
  /** With a reply subject of this client's own. */
  readonly ask: (message: Omit<RawMessage, "reply">, limitMs?: number) => Promise<RawAnswer>
  /** A reply subject of this client's own, another one each time. */
  readonly newInbox: () => string
  /** What came to those since the last call. */
  readonly takeAnswers: () => ReadonlyArray<RawAnswer>
  /** Everything sent so far has reached the server. */
  readonly flush: () => Promise<void>
  /** What the server refused, as it said it. */
  readonly refusals: ReadonlyArray<string>
  readonly isClosed: () => boolean
  readonly close: () => void
}

export interface RawClientOptions {
  readonly port: number
  readonly user?: string
  readonly password?: string
  /** Default: one of its own; with users, `_INBOX.<user>`. */
  readonly inboxPrefix?: string
}

const bytesOf = (value: Uint8Array | string | undefined): Buffer =>
  typeof value === "string" ? Buffer.from(value, "latin1") : Buffer.from(value ?? "")

export const rawClient = async (options: RawClientOptions): Promise<RawClient> => {
  const prefix = options.inboxPrefix ?? (options.user === undefined ? "_INBOX" : `_INBOX.${options.user}`)
  const inbox = `${prefix}.${randomBytes(8).toString("hex")}`
  const socket = connect({ host: "127.0.0.1", port: options.port })
  const refusals: Array<string> = []
  const answers = new Map<string, RawAnswer>()
  let received: Buffer = Buffer.alloc(0)
  let pongs = 0
  let closed = false

  /** One frame from the front of what was received; false when it is not whole yet. */
  const takeFrame = (): boolean => {
    const end = received.indexOf("\r\n")
    if (end < 0) return false
    const line = received.subarray(0, end).toString("latin1")
    const [verb, ...rest] = line.split(" ")
    let size = 0
    if (verb === "MSG" || verb === "HMSG") {
      size = Number(rest.at(-1))
      if (received.length < end + 4 + size) return false
      const body = received.subarray(end + 2, end + 2 + size)
      const headerBytes = verb === "HMSG" ? Number(rest.at(-2)) : 0
      answers.set(rest[0]!, {
        headers: body.subarray(0, headerBytes).toString("latin1"),
        data: Buffer.from(body.subarray(headerBytes))
      })
      size += 2
    } else if (verb === "PING") socket.write("PONG\r\n")
    else if (verb === "PONG") pongs++
    else if (verb === "-ERR") refusals.push(line)
    received = received.subarray(end + 2 + size)
    return true
  }
  socket.on("data", (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    while (takeFrame());
  })
  socket.on("error", (error) => void refusals.push(error.message))
  socket.on("close", () => {
    closed = true
  })

  const flush = async () => {
    const before = pongs
    socket.write("PING\r\n")
    await eventually(
      () => pongs > before || closed,
      (is) => is,
      { everyMs: 1, what: `an answer of the server (${refusals.at(-1) ?? ""})` }
    )
  }
  const publish = ({ headers, payload, reply = "", subject }: RawMessage) => {
    const [block, data] = [bytesOf(headers), bytesOf(payload)]
    const to = reply === "" ? subject : `${subject} ${reply}`
    const sizes = headers === undefined ? `${data.length}` : `${block.length} ${block.length + data.length}`
    const head = Buffer.from(`${headers === undefined ? "PUB" : "HPUB"} ${to} ${sizes}\r\n`, "latin1")
    socket.write(Buffer.concat([head, block, data, Buffer.from("\r\n")]))
  }

  const hello = {
    verbose: false,
    pedantic: false,
    protocol: 1,
    headers: true,
    lang: "test",
    version: "0",
    no_responders: true
  }
  const login = options.user === undefined ? {} : { user: options.user, pass: options.password ?? "" }
  socket.write(`CONNECT ${JSON.stringify({ ...hello, ...login })}\r\nSUB ${inbox}.* 1\r\n`)
  await flush()

  let asked = 0
  const newInbox = () => `${inbox}.${asked++}`
  return {
    newInbox,
    takeAnswers: () => {
      const taken = Array.from(answers.values())
      answers.clear()
      return taken
    },
    publish,
    flush,
    refusals,
    ask: async (message, limitMs = 30_000) => {
      const reply = newInbox()
      publish({ ...message, reply })
      await eventually(
        () => answers.has(reply),
        (is) => is,
        { everyMs: 2, limitMs, what: `an answer on ${message.subject}` }
      )
      const answer = answers.get(reply)!
      answers.delete(reply)
      return answer
    },
    isClosed: () => closed,
    close: () => socket.destroy()
  }
}
