/**
 * JSON of a stranger: `JSON.parse`, and no answer where parsers disagree.
 *
 * Of two members with one key most parsers take the last, some the first, some both: a gateway that
 * looks at a request and the service behind it could see different requests. So a key that stands
 * twice in one object is refused, however it is written (`"a"`, `"\u0061"`), and so is nesting
 * deeper than `depthMax`, which what walks the value later would have to stand. A text of more than
 * `valuesMax` values is refused before it is parsed: a few megabytes of keys would hold the thread, and
 * everybody else's requests, for half a second each, and whoever may not ask at all can send them.
 *
 * There is no second parser that could disagree in its turn. The text's members are its colons
 * outside strings; a member that was overwritten is missing in the value, with all that was in it.
 * Both are counted, and differ exactly when a key stood twice. Costs half of what the parse does,
 * about a millisecond for a megabyte of a batch.
 *
 * A key that holds a backslash is refused too: once V8 has read one, it takes other keys that are
 * written with an escape for it (nodejs/node#63785), so one caller's request could change another's.
 *
 * What would not come back as it was written is told with its place, as a flaw: a number that 64 bits
 * of floating point do not keep (`JsonNumber`), and text with a lone surrogate, which only an escape
 * can write and no UTF-8 can hold. One flaw is told for each item of a list in the request, the first.
 */
import { Result } from "effect"
import { comesBack } from "./JsonNumber.ts"
import { textOf } from "./Utf8.ts"

export const depthMax = 32
/** Three times what a batch of a thousand items with all their fields has; some 15 ms of work at most. */
export const valuesMax = 16_384

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const comma = 0x2c
const minus = 0x2d
const zero = 0x30
const nine = 0x39
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
const letterU = 0x75

/** A key that is longer, as written, stands in no path. */
const keyBytesShown = 256
/** As many as a list in a request may have items, and one. */
const flawsMax = 1_001

export type Path = ReadonlyArray<string | number>

/** What is wrong with a text that is JSON otherwise, and where. */
export interface Flaw {
  readonly path: Path
  readonly reason: string
}

export interface Parsed {
  readonly value: unknown
  /** In the order of the text. */
  readonly flaws: ReadonlyArray<Flaw>
}

const notWellFormed = "must be well-formed Unicode"
const keyNotWellFormed = "has a key that is not well-formed Unicode"
const notKept = "must be a number that 64 bits of floating point keep as it is written"

/** Whether the escape at `at` is one of a backslash: `\\` or `\u005c`. */
const escapesBackslash = (bytes: Uint8Array, at: number): boolean =>
  bytes[at + 1] === backslash ||
  (bytes[at + 1] === letterU &&
    bytes[at + 2] === zero &&
    bytes[at + 3] === zero &&
    bytes[at + 4] === 0x35 &&
    (bytes[at + 5]! | 0x20) === 0x63)

/** Whether the escape at `at` is half of a surrogate pair: `\ud800` to `\udfff`. */
const escapesSurrogate = (bytes: Uint8Array, at: number): boolean =>
  bytes[at + 1] === letterU &&
  (bytes[at + 2]! | 0x20) === 0x64 &&
  /^[89a-f]$/iu.test(String.fromCharCode(bytes[at + 3]!))

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= nine
/** What a number may hold behind its first character: digits, `+`, `-`, `.`, `e`, `E`. */
const isOfNumber = (byte: number | undefined): boolean =>
  isDigit(byte) || byte === 0x2b || byte === minus || byte === 0x2e || byte === 0x65 || byte === 0x45

/** Where the reading is: the containers around it, and in each the index, or where the key lies. */
class Place {
  /** The index in a list; in an object -1. */
  private readonly indexes: Array<number> = []
  private readonly keyStarts: Array<number> = []
  private readonly keyEnds: Array<number> = []
  private readonly bytes: Uint8Array
  depth = 0
  deepest = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  open(isList: boolean): void {
    const at = this.depth++
    if (this.depth > this.deepest) this.deepest = this.depth
    if (at >= depthMax) return
    this.indexes[at] = isList ? 0 : -1
    this.keyStarts[at] = 0
    this.keyEnds[at] = 0
  }

  close(): void {
    if (this.depth > 0) this.depth--
  }

  next(): void {
    const at = this.depth - 1
    if (at < depthMax && this.indexes[at]! >= 0) this.indexes[at]!++
  }

  key(start: number, end: number): void {
    const at = this.depth - 1
    if (at < 0 || at >= depthMax) return
    this.keyStarts[at] = start
    this.keyEnds[at] = end
  }

  /** Tells one item of a list in the request from another, without reading a key. */
  item(): string {
    const steps = [0, 1].map((at) => (at < this.depth ? Math.max(this.indexes[at]!, this.keyStarts[at]!) : -1))
    return steps.join("/")
  }

  /** Of the value being read, or, without the last step, of what holds it. Of a text that is JSON. */
  path(levels: number): Path {
    return Array.from({ length: Math.min(levels, depthMax) }, (_, at) => {
      const index = this.indexes[at]!
      const [start, end] = [this.keyStarts[at]!, this.keyEnds[at]!]
      return index >= 0 ? index : (end - start <= keyBytesShown && stringAt(this.bytes, start, end)) || "?"
    })
  }
}

/** The string between two quotes, or null when it is none. Never a key to the parser. */
const stringAt = (bytes: Uint8Array, start: number, end: number): string | null => {
  try {
    const text: unknown = JSON.parse(textOf(bytes, start, end) ?? "")
    return typeof text === "string" ? text : null
  } catch {
    return null
  }
}

interface Survey {
  readonly members: number
  /** Not fewer than there are; the reading ends where there are too many. */
  readonly values: number
  readonly depth: number
  readonly keyHoldsBackslash: boolean
  readonly flaws: ReadonlyArray<Flaw>
}

/** What stands in a text that is JSON, or in the part before what makes it none. */
const survey = (bytes: Uint8Array): Survey => {
  const place = new Place(bytes)
  const flaws: Array<Flaw> = []
  let lastItem = ""
  const flaw = (levels: number, reason: string) => {
    const item = place.item()
    if (item === lastItem || flaws.length >= flawsMax) return
    lastItem = item
    flaws.push({ path: place.path(levels), reason })
  }
  let members = 0
  let values = 0
  let holdsBackslash = false
  let holdsLoneSurrogate = false
  let keyHoldsBackslash = false
  let stringStart = 0
  let stringEnd = 0
  for (let at = 0; at < bytes.length && values <= valuesMax; at++) {
    const byte = bytes[at]!
    switch (byte) {
      case quote: {
        holdsBackslash = false
        let holdsSurrogate = false
        stringStart = at
        for (at++; at < bytes.length && bytes[at] !== quote; at++) {
          if (bytes[at] !== backslash) continue
          holdsBackslash = holdsBackslash || escapesBackslash(bytes, at)
          holdsSurrogate = holdsSurrogate || escapesSurrogate(bytes, at)
          at++
        }
        stringEnd = at + 1
        holdsLoneSurrogate = holdsSurrogate && stringAt(bytes, stringStart, stringEnd)?.isWellFormed() === false
        if (holdsLoneSurrogate && !isKey(bytes, stringEnd)) flaw(place.depth, notWellFormed)
        break
      }
      case colon:
        // The string before it is the member's key.
        members++
        keyHoldsBackslash = keyHoldsBackslash || holdsBackslash
        if (holdsLoneSurrogate) flaw(place.depth - 1, keyNotWellFormed)
        place.key(stringStart, stringEnd)
        break
      case comma:
        values++
        place.next()
        break
      case openBrace:
      case openBracket:
        values++
        place.open(byte === openBracket)
        break
      case closeBrace:
      case closeBracket:
        place.close()
        break
      default: {
        if (byte !== minus && !isDigit(byte)) break
        const start = at
        while (isOfNumber(bytes[at + 1])) at++
        // One to fifteen digits that do not begin with 0 are the usual case.
        if (byte !== minus && byte !== zero && at - start < 15 && isDigits(bytes, start, at)) break
        if (!comesBack(textOf(bytes, start, at + 1) ?? "")) flaw(place.depth, notKept)
      }
    }
  }
  return { members, values, depth: place.deepest, keyHoldsBackslash, flaws }
}

const isDigits = (bytes: Uint8Array, start: number, last: number): boolean => {
  for (let at = start; at <= last; at++) if (!isDigit(bytes[at])) return false
  return true
}

/** Whether the string that ends here is a key: a colon follows. */
const isKey = (bytes: Uint8Array, end: number): boolean => {
  let at = end
  while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0a || bytes[at] === 0x0d) at++
  return bytes[at] === colon
}

const membersOf = (value: unknown): number => {
  if (typeof value !== "object" || value === null) return 0
  let members = 0
  if (Array.isArray(value)) for (const item of value) members += membersOf(item)
  else for (const key in value) members += 1 + membersOf((value as Readonly<Record<string, unknown>>)[key])
  return members
}

/** The value, or why there is none, in words that repeat nothing of the text. */
export const parseJson = (bytes: Uint8Array): Result.Result<Parsed, string> => {
  const { depth, flaws, keyHoldsBackslash, members, values } = survey(bytes)
  if (depth > depthMax) return Result.fail(`is nested deeper than ${depthMax} levels`)
  if (values > valuesMax) return Result.fail(`holds more than ${valuesMax} values`)
  if (keyHoldsBackslash) return Result.fail("has a key with a backslash")
  const text = textOf(bytes, 0, bytes.length)
  if (text === null) return Result.fail("not JSON in UTF-8")
  try {
    const value: unknown = JSON.parse(text)
    return membersOf(value) === members
      ? Result.succeed({ value, flaws })
      : Result.fail("has an object with the same key twice")
  } catch {
    return Result.fail("not JSON in UTF-8")
  }
}
