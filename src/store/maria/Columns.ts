/**
 * How values stand in columns: ids as 16 bytes, hashes as bytes, literals as small numbers.
 *
 * What comes out of the database is checked as it is read: a column of another type than the schema
 * gives is a defect.
 */
import { bufferOf } from "../../domain/Bytes.ts"
import type { Reader, Row, Session, Value } from "./MariadbConnection.ts"

/** Of a character of an id, what it counts for; every other one counts for `noNibble`. */
const noNibble = 0x100
const nibbles = new Uint16Array(128).fill(noNibble)
for (let value = 0; value < 16; value++) nibbles["0123456789abcdef".charCodeAt(value)] = value
const dash = 0x2d
const isDashBefore = (byte: number): boolean => byte === 4 || byte === 6 || byte === 8 || byte === 10

/** Null for a text that is not a UUID in lower case: no row has it. Every row that is written has some: no pattern, no other text. */
export const uuidBytesOrNull = (text: string): Buffer | null => {
  if (text.length !== 36) return null
  const bytes = Buffer.allocUnsafe(16)
  for (let byte = 0, at = 0; byte < 16; byte++) {
    if (isDashBefore(byte) && text.charCodeAt(at++) !== dash) return null
    const high = nibbles[text.charCodeAt(at++)] ?? noNibble
    const low = nibbles[text.charCodeAt(at++)] ?? noNibble
    if ((high | low) >= noNibble) return null
    bytes[byte] = (high << 4) | low
  }
  return bytes
}

/** For writing; anything but a UUID is a defect. */
export const uuidBytes = (text: string): Buffer => {
  const bytes = uuidBytesOrNull(text)
  if (bytes === null) throw new Error("an id that is not a UUID in lower case was to be written")
  return bytes
}

/** The same bytes as the connector takes them, without a copy. For what is not overwritten before it was sent. */
export const sameBytes: (bytes: Uint8Array) => Buffer = bufferOf

export const uuidBytesOf = (texts: Iterable<string>): ReadonlyArray<Buffer> => {
  const found: Array<Buffer> = []
  for (const text of new Set(texts)) {
    const bytes = uuidBytesOrNull(text)
    if (bytes !== null) found.push(bytes)
  }
  return found
}

const digits = Buffer.from("0123456789abcdef")
/** Where the text is put together: every row read on the hot path has one. */
const uuidRoom = Buffer.alloc(36)

export const uuidText = (bytes: Buffer): string => {
  let at = 0
  for (let index = 0; index < 16; index++) {
    if (isDashBefore(index)) uuidRoom[at++] = dash
    const byte = bytes[index]!
    uuidRoom[at++] = digits[byte >> 4]!
    uuidRoom[at++] = digits[byte & 15]!
  }
  return uuidRoom.toString("latin1")
}

const wrong = (index: number): never => {
  throw new Error(`column ${index} is not of the type that the schema gives`)
}

/** One of these words, as text. */
export const word = <A extends string>(row: Row, index: number, words: ReadonlyArray<A>): A => {
  const found = words.find((one) => one === row[index])
  return found === undefined ? wrong(index) : found
}
export const wordOrNull = <A extends string>(row: Row, index: number, words: ReadonlyArray<A>): A | null =>
  row[index] === null ? null : word(row, index, words)

export const text = (row: Row, index: number): string => {
  const value = row[index]
  return typeof value === "string" ? value : wrong(index)
}
export const textOrNull = (row: Row, index: number): string | null => {
  const value = row[index]
  return value === null || typeof value === "string" ? value : wrong(index)
}
export const whole = (row: Row, index: number): number => {
  const value = row[index]
  return typeof value === "number" && Number.isSafeInteger(value) ? value : wrong(index)
}
export const wholeOrNull = (row: Row, index: number): number | null => (row[index] === null ? null : whole(row, index))
export const bytes = (row: Row, index: number): Buffer => {
  const value = row[index]
  return value instanceof Buffer ? value : wrong(index)
}
/** The same bytes, not copied: for a value that lives no longer than its row. */
export const view = (row: Row, index: number): Uint8Array => {
  const value = bytes(row, index)
  return new Uint8Array(value.buffer, value.byteOffset, value.length)
}
export const uuid = (row: Row, index: number): string => uuidText(bytes(row, index))
export const literal = <A>(row: Row, index: number, literals: ReadonlyArray<A>): A =>
  literals[whole(row, index)] ?? wrong(index)

/** A row's tag as a part of what the row says; none where there is none. */
export const macOf = (row: Row, index: number): { readonly mac?: Uint8Array } =>
  row[index] === null ? {} : { mac: new Uint8Array(bytes(row, index)) }
export const macValue = (mac: Uint8Array | undefined): Buffer | null => (mac === undefined ? null : sameBytes(mac))

/** Reads `IN (…)` lists of any length: `sql` is given the marks. The rows of all pieces, in no order. */
export const rowsIn = async (
  session: Pick<Session, "rows">,
  sql: (marks: string) => string,
  values: ReadonlyArray<Value>,
  before: ReadonlyArray<Value> = []
): Promise<ReadonlyArray<Row>> => {
  const pieces = await Promise.all(
    chunksOf(values).map((chunk) => session.rows(sql(chunk.marks), [...before, ...chunk.values]))
  )
  return pieces.length === 1 ? (pieces[0] ?? []) : pieces.flat()
}

/**
 * The same, of rows of which there are `each` at most for each value (`what` says so in words). More than that nothing of
 * this service writes: it is not read, and a defect for whoever asked, and for nobody else.
 */
export const rowsWithin = async (
  session: Pick<Session, "rows">,
  sql: (marks: string) => string,
  values: ReadonlyArray<Value>,
  before: ReadonlyArray<Value>,
  { each, what }: { readonly each: number; readonly what: string }
): Promise<ReadonlyArray<Row>> => {
  const pieces = await Promise.all(
    chunksOf(values).map(async (chunk) => {
      const max = each * chunk.count
      return within(max, what, await session.rows(`${sql(chunk.marks)} LIMIT ?`, [...before, ...chunk.values, max + 1]))
    })
  )
  return pieces.length === 1 ? (pieces[0] ?? []) : pieces.flat()
}

/** The rows, of which one more than `max` was asked for. */
export const within = (max: number, what: string, rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  if (rows.length > max) throw new Error(`the database holds more than may be: ${what}`)
  return rows
}

/** One text for each list of marks, of which there are few: a text that is made anew is hashed anew wherever it is looked for. */
export const remembered = (sql: (marks: string) => string): ((marks: string) => string) => {
  const texts = new Map<string, string>()
  return (marks) => {
    const text = texts.get(marks) ?? sql(marks)
    texts.set(marks, text)
    return text
  }
}

/** The same for a look-up. */
export const lookUp = (
  { read }: Reader,
  sql: (marks: string) => string,
  values: ReadonlyArray<Value>
): Promise<ReadonlyArray<Row>> => {
  const [first, ...others] = chunksOf(values)
  if (first === undefined) return Promise.resolve([])
  if (others.length === 0) return read(sql(first.marks), first.values)
  return Promise.all([first, ...others].map((chunk) => read(sql(chunk.marks), chunk.values))).then((pieces) =>
    pieces.flat()
  )
}

// ---- lists ------------------------------------------------------------------

/** Few sizes, so that few statements are prepared. */
const listSizes = [1, 4, 16, 64, 128, 256] as const
export const listSizeMax = 256

export interface Chunk {
  /** `?, ?, …` */
  readonly marks: string
  /** Filled up to the size with its last value. */
  readonly values: ReadonlyArray<Value>
  /** How many of the values were given. */
  readonly count: number
}

const marksOf = new Map(listSizes.map((size) => [size as number, Array(size).fill("?").join(", ")]))

/** The values in pieces that fit an `IN (…)`. */
export const chunksOf = (values: ReadonlyArray<Value>): ReadonlyArray<Chunk> => {
  const chunks: Array<Chunk> = []
  for (let start = 0; start < values.length; start += listSizeMax) {
    const piece = values.slice(start, start + listSizeMax)
    const size = listSizes.find((candidate) => candidate >= piece.length) ?? listSizeMax
    const filled = piece.concat(Array(size - piece.length).fill(piece.at(-1) ?? null))
    chunks.push({ marks: marksOf.get(size) ?? "", values: filled, count: piece.length })
  }
  return chunks
}

/**
 * A number of a row of anybody, in a statement that reads many: one that nothing of this service writes stands at the end
 * of what can be read, and is not the end of the reading.
 */
export const clampedSql = (expression: string): string =>
  `GREATEST(LEAST(${expression}, ${Number.MAX_SAFE_INTEGER}), ${Number.MIN_SAFE_INTEGER})`

/** UNIX milliseconds at which the row is answered: in a statement that waits for a lock, after the wait. */
export const momentSql = "CAST(ROUND(UNIX_TIMESTAMP(SYSDATE(3)) * 1000) AS SIGNED)"
/** UNIX milliseconds at which the statement began; the optimizer may use it in a range. */
export const nowSql = "CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS SIGNED)"
