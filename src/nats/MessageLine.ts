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
  protoParseInt: (digits: Uint8Array, max?: number) => number
  fail: (line: Uint8Array, label: string) => Error
}

const blank = 0x20
const sizeMax = 0x400_0000

const isParser = (parser: Partial<Parser> | undefined): parser is Parser =>
  typeof parser?.parse === "function" &&
  typeof parser.processMsgArgs === "function" &&
  typeof parser.protoParseInt === "function" &&
  typeof parser.fail === "function" &&
  typeof parser.state === "number"

const wordsOf = (line: Uint8Array): Array<Uint8Array> => {
  const words: Array<Uint8Array> = []
  let start = 0
  for (let at = 0; at < line.length; at++) {
    if (line[at] !== blank) continue
    words.push(line.subarray(start, at))
    start = at + 1
  }
  words.push(line.subarray(start))
  return words
}

function readWords(this: Parser, line: Uint8Array): void {
  const { hdr, ma } = this
  const words = wordsOf(line)
  const withHeaders = hdr >= 0
  const size = this.protoParseInt(words.pop() ?? line, sizeMax)
  if (withHeaders) ma.hdr = this.protoParseInt(words.pop() ?? line, sizeMax)
  const [subject, sid, reply, more] = words
  ma.sid = this.protoParseInt(sid ?? line)
  ma.size = size
  if (subject === undefined || more !== undefined || ma.sid < 0 || size < 0 || (withHeaders && !isWithin(ma))) {
    throw this.fail(line, "the line before a message")
  }
  ma.subject = subject
  ma.reply = reply
}
const isWithin = ({ hdr, size }: Parser["ma"]): boolean => hdr >= 0 && hdr <= size

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
