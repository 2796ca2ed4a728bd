/**
 * The items of a batch of validations, read where they lie: `{"items":[{"appName":"…","token":"…"},…]}`.
 *
 * A thousand objects and two thousand texts would be made to be thrown away, since a token is looked up by its bytes.
 * Only what is plain is taken: each item has both fields once and no other, and its texts are ASCII without escapes and no
 * longer than a text that gets a verdict. Of such a payload `decodeBatch` makes the same items; whatever else it
 * is, right or wrong, is for that to judge.
 */
import { batchItemsMax, tokenValueLengthMax } from "../domain/Names.ts"
import { lengthBytes, putLength } from "./AvroBytes.ts"

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
const space = 0x20

const [itemsKey, appNameKey, tokenKey] = [Buffer.from("items"), Buffer.from("appName"), Buffer.from("token")]

/** Of an item: where its texts begin and end. */
const [appNameAt, tokenAt, placesOfItem] = [0, 2, 4]

const itemBytesMin = '{"appName":"","token":""}'.length

/** Bytes that `putKey` writes at most. */
export const keyBytesMax = 2 * (lengthBytes(tokenValueLengthMax) + tokenValueLengthMax)

export class PlainItems {
  readonly length: number
  private readonly bytes: Buffer
  private readonly places: Uint32Array

  constructor(bytes: Buffer, places: Uint32Array, length: number) {
    this.bytes = bytes
    this.places = places
    this.length = length
  }

  appName(item: number): string {
    return this.text(item * placesOfItem + appNameAt)
  }

  token(item: number): string {
    return this.text(item * placesOfItem + tokenAt)
  }

  /** Writes what `keyOf` makes of both; answers how long it is. */
  putKey(into: Uint8Array, item: number): number {
    const place = item * placesOfItem
    return this.put(into, this.put(into, 0, place + appNameAt), place + tokenAt)
  }

  private text(place: number): string {
    return this.bytes.toString("latin1", this.places[place], this.places[place + 1])
  }

  private put(into: Uint8Array, before: number, place: number): number {
    const { bytes, places } = this
    const [start, end] = [places[place]!, places[place + 1]!]
    let at = putLength(into, before, end - start)
    for (let from = start; from < end; ) into[at++] = bytes[from++]!
    return at
  }
}

/** Goes through the payload; each step says whether it met what it looks for. */
class Reader {
  private readonly bytes: Uint8Array
  private at = 0
  /** Of the last text. */
  start = 0
  end = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** One character, with blanks before it. */
  takes(byte: number): boolean {
    this.passBlanks()
    if (this.at >= this.bytes.length || this.bytes[this.at] !== byte) return false
    this.at++
    return true
  }

  isAtEnd(): boolean {
    this.passBlanks()
    return this.at === this.bytes.length
  }

  /** A string of printable ASCII, in which nothing is escaped. */
  text(): boolean {
    if (!this.takes(quote)) return false
    const { bytes } = this
    this.start = this.at
    for (let at = this.at; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === quote) {
        this.end = at
        this.at = at + 1
        return true
      }
      if (byte < space || byte >= 0x80 || byte === backslash) return false
    }
    return false
  }

  /** Whether the last text is this one. */
  isText(text: Uint8Array): boolean {
    if (this.end - this.start !== text.length) return false
    for (let at = 0; at < text.length; at++) if (this.bytes[this.start + at] !== text[at]) return false
    return true
  }

  private passBlanks(): void {
    const { bytes } = this
    while (this.at < bytes.length && isBlank(bytes[this.at]!)) this.at++
  }
}

const isBlank = (byte: number): boolean => byte === space || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Notes where the texts of an item lie, whichever comes first. */
const readItem = (reader: Reader, places: Uint32Array, item: number): boolean => {
  if (!reader.takes(openBrace)) return false
  let seen = -1
  for (let field = 0; field < 2; field++) {
    if (field > 0 && !reader.takes(comma)) return false
    if (!reader.text()) return false
    const at = reader.isText(appNameKey) ? appNameAt : reader.isText(tokenKey) ? tokenAt : seen
    if (at === seen) return false
    seen = at
    if (!reader.takes(colon) || !reader.text() || reader.end - reader.start > tokenValueLengthMax) return false
    places[item * placesOfItem + at] = reader.start
    places[item * placesOfItem + at + 1] = reader.end
  }
  return reader.takes(closeBrace)
}

/** Null for a payload that is no such batch, which says nothing of it. */
export const readPlainItems = (payload: Uint8Array): PlainItems | null => {
  const reader = new Reader(payload)
  if (!reader.takes(openBrace) || !reader.text() || !reader.isText(itemsKey) || !reader.takes(colon)) return null
  if (!reader.takes(openBracket)) return null
  const most = Math.min(batchItemsMax, Math.ceil(payload.length / itemBytesMin))
  const places = new Uint32Array(most * placesOfItem)
  let length = 0
  do {
    if (length === most || !readItem(reader, places, length)) return null
    length++
  } while (reader.takes(comma))
  if (!reader.takes(closeBracket) || !reader.takes(closeBrace) || !reader.isAtEnd()) return null
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  return new PlainItems(bytes, places, length)
}
