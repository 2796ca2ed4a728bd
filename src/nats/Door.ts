/**
 * The one door through which messages come in: every callback that the client library calls goes through here.
 *
 * The library calls back from its socket's read. What a callback throws ends that read, and with it every
 * subscription of the connection for about two seconds; a promise that it returns and that fails ends the
 * process. And the library decodes headers late, where they are first read, and throws at what it does not
 * like, so that one message of a stranger would do all that.
 *
 * Promises:
 * - nothing that a taker throws or returns reaches the library: it is counted, and logged once a second at most;
 * - a message's headers are decoded before it is handed on, and reading them throws no more. Headers that the
 *   library refuses are told to `unreadable` instead of `take`; the lines of theirs that can be read are there;
 * - headers over `headerBytesMax` or `linesMax` are refused before anybody decodes them, and so is a block that
 *   does not begin or end as one: of what was cut off nobody knows what it said;
 * - `harden` does the same for the subscriptions that the library makes for itself (answers to requests,
 *   consumers of JetStream): those get such a message with what can be read of its headers. It also mends how the
 *   library reads the line before a message (`MessageLine.ts`), on which every connection depends.
 *
 * Nobody else calls the library's `subscribe`, nor makes a connection that is not hardened.
 */
import { headers, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from "@nats-io/transport-node"
import { Effect, Metric } from "effect"
import * as Seldom from "../observability/Seldom.ts"
import * as MessageLine from "./MessageLine.ts"

export interface Taker {
  readonly queue?: string | null
  readonly take: (message: Msg) => void
  /** A message whose headers the library refuses. `take` does not hear of it. */
  readonly unreadable: (message: Msg) => void
  /** `take` threw: a bug. For who owes an answer. */
  readonly failed?: (message: Msg) => void
  /** The server refused the subscription, or ended it. */
  readonly ended?: (error: Error) => void
}

export type Listen = (connection: NatsConnection, subject: string, taker: Taker) => Subscription

const failures = Metric.counter("cm_nats_callback_failures_total", {
  description: "Bugs in the handling of messages that were kept from the connection",
  incremental: true
})
const unreadables = Metric.counter("cm_nats_unreadable_headers_total", {
  description: "Messages with headers that break the rules for headers",
  incremental: true
})
/** Bytes of a message's headers: a bearer token of the largest kind fits, beside what goes with it. */
export const headerBytesMax = 32_768
/** Lines of headers. The library's decoding takes time with the square of their number: 40,000 would take it a minute. */
export const linesMax = 64
const lineFeed = 10

interface Reporter {
  readonly failed: (cause: unknown) => void
  readonly unreadable: () => void
}

const reporter: Effect.Effect<Reporter> = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const bugs = yield* Seldom.make
  return {
    failed: (cause) => {
      failures.updateUnsafe(1, context)
      bugs.tellUnsafe(Effect.logError("the handling of a message failed", cause))
    },
    unreadable: () => unreadables.updateUnsafe(1, context)
  }
})

/** What the library keeps of a message, where it still does. */
interface Raw {
  readonly _rdata?: Uint8Array
  readonly _msg?: { readonly hdr?: number }
}

/** The lines that can be read; the others are left out. */
const readableLines = (lines: ReadonlyArray<string>): MsgHdrs => {
  const found = headers()
  for (const line of lines) {
    const colon = line.indexOf(":")
    if (colon < 1) continue
    try {
      found.append(line.slice(0, colon), line.slice(colon + 1).trim())
    } catch {
      // This line is why we are here.
    }
  }
  return found
}

/** The first lines of a block, and the last: the server writes its own behind those of whoever sent the message. */
const readableOf = ({ _msg, _rdata }: Raw): MsgHdrs => {
  if (!(_rdata instanceof Uint8Array) || typeof _msg?.hdr !== "number") return headers()
  const block = _rdata.subarray(0, _msg.hdr)
  const half = headerBytesMax / 2
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).split("\r\n")
  const lines = block.length <= half ? text(block) : [...text(block.subarray(0, half)), ...text(block.subarray(-half))]
  const [, ...named] = lines
  return readableLines(
    named.length <= linesMax ? named : [...named.slice(0, linesMax / 2), ...named.slice(-linesMax / 2)]
  )
}

const refused = new WeakSet<MsgHdrs>()

/** Whether these are what could be read of headers that break the rules. For messages that the library took in itself. */
export const breakRules = (found: MsgHdrs | undefined): boolean => found !== undefined && refused.has(found)

/** Whether a header block is small enough to be decoded at all: counted on its bytes, before anybody makes texts of it. */
const isWithinBounds = ({ _msg, _rdata }: Raw): boolean => {
  const bytes = _msg?.hdr ?? -1
  if (bytes < 0 || !(_rdata instanceof Uint8Array)) return true
  if (bytes > headerBytesMax) return false
  let lines = 0
  for (let at = _rdata.indexOf(lineFeed); at >= 0 && at < bytes; at = _rdata.indexOf(lineFeed, at + 1)) {
    // The version line and the empty one at the end are none.
    if (++lines > linesMax + 2) return false
  }
  return true
}

const [carriageReturn, versionLine] = [13, Buffer.from("NATS/1.0")]

/** Whether a header block begins with its version and ends with an empty line, as each does that is whole. */
const isWhole = ({ _msg, _rdata }: Raw): boolean => {
  const bytes = _msg?.hdr ?? -1
  if (bytes < 0 || !(_rdata instanceof Uint8Array)) return true
  const end = [carriageReturn, lineFeed, carriageReturn, lineFeed]
  return (
    versionLine.every((byte, at) => _rdata[at] === byte) &&
    bytes >= versionLine.length + end.length &&
    end.every((byte, at) => _rdata[bytes - end.length + at] === byte)
  )
}

class HeadersRefused extends Error {}

/** Decodes the headers now, so that nobody meets their refusal later. False: they break the rules. */
const settleHeaders = (message: Msg): boolean => {
  try {
    const raw = message as unknown as Raw
    if (!isWithinBounds(raw) || !isWhole(raw)) throw new HeadersRefused()
    void message.headers
    return true
  } catch {
    const found = readableOf(message as unknown as Raw)
    refused.add(found)
    Object.defineProperty(message, "headers", { value: found })
    return false
  }
}

/** The library's own callbacks and ours, told apart: ours have settled everything themselves. */
const ours = new WeakSet<object>()

const callbackOf = (taker: Taker, { failed, unreadable }: Reporter) => {
  const { take } = taker
  const guarded = (deliver: (message: Msg) => unknown, message: Msg, isLast: boolean): void => {
    try {
      const returned = deliver(message)
      if (returned instanceof Promise) returned.catch(failed)
    } catch (bug) {
      failed(bug)
      if (!isLast && taker.failed !== undefined) guarded(taker.failed, message, true)
    }
  }
  const callback = (error: Error | null, message: Msg): void => {
    if (error !== null) {
      guarded(() => taker.ended?.(error), message, true)
    } else if (settleHeaders(message)) {
      guarded(take, message, false)
    } else {
      unreadable()
      guarded(taker.unreadable, message, true)
    }
  }
  ours.add(callback)
  return callback
}

/** The way to listen. What happens is counted and logged in the context that this was made in. */
export const make: Effect.Effect<Listen> = Effect.map(
  reporter,
  (report): Listen =>
    (connection, subject, taker) =>
      connection.subscribe(subject, {
        ...(taker.queue === undefined || taker.queue === null ? {} : { queue: taker.queue }),
        callback: callbackOf(taker, report)
      })
)

/** Where the library hands a message to whoever subscribed, with the headers' length if it has any. */
interface Inside {
  readonly protocol?: { processMsg?: (message: unknown, data: Uint8Array) => void; readonly parser?: unknown }
}

/**
 * Puts the library's own subscriptions behind the door, too. Those made by `subscribe` get headers that can be
 * read; whatever still throws (the subscription for answers is made elsewhere) ends where messages are handed out.
 */
export const harden = (connection: NatsConnection): Effect.Effect<void> =>
  Effect.map(reporter, ({ failed, unreadable }) => {
    const { protocol } = connection as unknown as Inside
    const handOut = protocol?.processMsg
    if (protocol === undefined || handOut === undefined) {
      throw new Error("the NATS library hands messages out elsewhere than it did: src/nats/Door.ts has to follow")
    }
    MessageLine.mend(protocol)
    protocol.processMsg = (message, data) => {
      try {
        handOut.call(protocol, message, data)
      } catch (bug) {
        failed(bug)
      }
    }
    const subscribe = connection.subscribe.bind(connection)
    connection.subscribe = (subject, options = {}) => {
      const { callback } = options
      if (callback === undefined || ours.has(callback)) return subscribe(subject, options)
      return subscribe(subject, {
        ...options,
        callback: (error, message) => {
          if (error === null && !settleHeaders(message)) unreadable()
          return callback(error, message)
        }
      })
    }
  })
