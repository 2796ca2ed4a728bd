/**
 * The line before a message, read as the server writes it: words with one blank between.
 *
 * A subject and a reply subject may hold a carriage return: the server passes on what a client publishes. The
 * library takes it for the end of a word. Then it refuses the line and reads nothing more from the connection until
 * pings fail; or the line fits all the same, and says another subscription than the server meant; or, where a read
 * ends within it, loses a byte of the length, and takes what a stranger wrote in a payload for the server's own lines.
 * One message would do that, and one that is kept in a stream each time it is delivered.
 *
 * Here only a blank ends a word, and a line that a read cut in two is read as a whole when the rest has come. All
 * else stays the library's. What such a subject means is for who takes the message.
 */

/** The library's parser, as far as it is used here. A connection makes a new one each time it connects. */
interface Parser {
  state: number
  /** In the piece that is read: where the line's words begin. */
  as: number
  argBuf: unknown
  /** At least 0: a line with the length of headers. */
  hdr: number
  readonly ma: {
    subject: Uint8Array
    sid: number
    reply: Uint8Array | undefined
    hdr: number
    size: number
  }
  parse: (piece: Uint8Array) => void
  processMsgArgs: (line: Uint8Array) => void
  fail: (line: Uint8Array, label: string) => Error
}

const blank = 0x20
const sizeMax = 0x400_0000

const isParser = (parser: Partial<Parser> | undefined): parser is Parser =>
  typeof parser?.parse === "function" &&
  typeof parser.processMsgArgs === "function" &&
  typeof parser.fail === "function" &&
  typeof parser.state === "number"

/** Where the words of a line begin, of which a message's has five at most. */
const starts = new Uint32Array(6)

/** How many there are; more than there is room for are as wrong as one too many. */
const countWords = (line: Uint8Array): number => {
  let count = 1
  for (let at = 0; at < line.length; at++) {
    if (line[at] !== blank) continue
    if (count === starts.length) return count
    starts[count++] = at + 1
  }
  return count
}

const [zero, nine, digitsMax] = [0x30, 0x39, 15]

/** The number that stands there; -1 for anything else. Its bytes are not cut out: every message has two or three. */
const numberIn = (line: Uint8Array, start: number, end: number): number => {
  if (start >= end || end - start > digitsMax) return -1
  let number = 0
  for (let at = start; at < end; at++) {
    const digit = line[at]!
    if (digit < zero || digit > nine) return -1
    number = number * 10 + (digit - zero)
  }
  return number
}

function readWords(this: Parser, line: Uint8Array): void {
  const { hdr, ma } = this
  const count = countWords(line)
  const [withHeaders, last] = [hdr >= 0, count - 1]
  const named = withHeaders ? last - 1 : last
  const size = numberIn(line, starts[last]!, line.length)
  const headerSize = withHeaders ? numberIn(line, starts[named]!, starts[last]! - 1) : 0
  const sid = named < 2 || named > 3 ? -1 : numberIn(line, starts[1]!, starts[2]! - 1)
  if (sid < 0 || headerSize < 0 || size < headerSize || size > sizeMax) {
    throw this.fail(line, "the line before a message")
  }
  ma.sid = sid
  ma.size = size
  if (withHeaders) ma.hdr = headerSize
  ma.subject = line.subarray(0, starts[1]! - 1)
  ma.reply = named === 3 ? line.subarray(starts[2], starts[3]! - 1) : undefined
}

/** The state of a parser of this kind within such a line. */
const withinLine = (like: Parser): number => {
  const Kind = like.constructor as new (dispatcher: unknown) => Parser
  const parser = new Kind({ push: () => {} })
  parser.parse(Buffer.from("MSG a"))
  return parser.state
}

const mended = new WeakSet<object>()

/** Mends all parsers of the kind of this connection's. */
export const mend = (protocol: { readonly parser?: unknown }): void => {
  const parser = protocol.parser as Partial<Parser> | undefined
  if (!isParser(parser))
    throw new Error("the NATS library reads lines elsewhere than it did: src/nats/MessageLine.ts has to follow")
  const kind = Object.getPrototypeOf(parser) as Parser
  if (mended.has(kind)) return
  mended.add(kind)
  const inLine = withinLine(parser)
  const parse = kind.parse
  const begun = new WeakMap<Parser, Uint8Array>()
  kind.processMsgArgs = readWords
  kind.parse = function (this: Parser, piece) {
    const before = begun.get(this)
    if (before !== undefined) begun.delete(this)
    const whole = before === undefined ? piece : Buffer.concat([before, piece])
    parse.call(this, whole)
    if (this.state !== inLine) return
    begun.set(this, Buffer.from(whole.subarray(this.as)))
    this.as = 0
    this.argBuf = undefined
  }
}
