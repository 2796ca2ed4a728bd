/**
 * Messages of the platform protocols: raw Avro binary, no header, no schema id.
 *
 * A message is described once, as an ordered list of fields, and its TypeScript type follows from
 * that. `decode` is strict: bytes left over, a truncated message, a number of more than 64 bits and
 * text that is not UTF-8 all read as `null`; why is not told, since an answer may not explain our
 * parser. A `long` is a `bigint`, exact over all 64 bits.
 *
 * Reading and writing are our own (`AvroReader`, `AvroWriter`) because bytes of a stranger must not
 * reach anything that outlives the message: the decoder of a library kept a pool of bytes, and one
 * impossible length made every text empty that was read after it.
 *
 * The order of a union matters on the wire: identifiers are string first, phrases are null first.
 */
import { isCorrelationId } from "../domain/Names.ts"
import { AvroReader, type Malformed, malformed } from "./AvroReader.ts"
import * as Writer from "./AvroWriter.ts"

/** What a field may be, as its Avro type. */
export const kinds = {
  string: { type: "string" },
  /** Of an event: a longer one is left out, read or written. Nobody waits for an event to be refused. */
  eventCorrelationId: { type: "string" },
  int: { type: "int" },
  long: { type: "long" },
  /** Milliseconds after the timestamp; 0: never expires. */
  timeout: { type: "long", default: 0 },
  bytes: { type: "bytes" },
  strings: { type: { type: "array", items: "string" } },
  /** An identifier that may be missing: string is branch 0. */
  stringOrNull: { type: ["string", "null"] },
  /** A phrase that may be missing: null is branch 0, and the default. */
  nullOrString: { type: ["null", "string"], default: null },
  contentType: { type: "string", default: "application/json" }
} as const

interface KindTypes {
  readonly string: string
  readonly eventCorrelationId: string
  readonly int: number
  readonly long: bigint
  readonly timeout: bigint
  readonly bytes: Uint8Array
  readonly strings: ReadonlyArray<string>
  readonly stringOrNull: string | null
  readonly nullOrString: string | null
  readonly contentType: string
}

interface Codec<A> {
  readonly read: (reader: AvroReader) => A | Malformed
  readonly write: (value: A) => Uint8Array
}
const text: Codec<string> = { read: (reader) => reader.text(), write: Writer.text }
const shortOrNone = (id: string): string => (isCorrelationId(id) ? id : "")
const eventCorrelationId: Codec<string> = {
  read: (reader) => {
    const id = reader.text()
    return id === malformed ? id : shortOrNone(id)
  },
  write: (id) => Writer.text(shortOrNone(id))
}
const long: Codec<bigint> = { read: (reader) => reader.long(), write: Writer.long }
const optionalText = (nullBranch: 0 | 1): Codec<string | null> => ({
  read: (reader) => reader.optionalText(nullBranch),
  write: (value) => Writer.optionalText(value, nullBranch)
})

const codecs: { readonly [K in keyof KindTypes]: Codec<KindTypes[K]> } = {
  string: text,
  eventCorrelationId,
  int: { read: (reader) => reader.int(), write: Writer.int },
  long,
  timeout: long,
  bytes: { read: (reader) => reader.octets(), write: Writer.octets },
  strings: { read: (reader) => reader.texts(), write: Writer.texts },
  stringOrNull: optionalText(1),
  nullOrString: optionalText(0),
  contentType: text
}

export type Fields = Readonly<Record<string, keyof typeof kinds>>
export type Value<F extends Fields> = { readonly [K in keyof F]: KindTypes[F[K]] }

export interface Message<F extends Fields> {
  /** Namespace and name, as in the RFC. */
  readonly record: string
  readonly fields: F
  /** The Avro schema, as a plain object. */
  readonly schema: Readonly<Record<string, unknown>>
  /** The message, or null when the bytes are anything else. Never throws. */
  readonly decode: (bytes: Uint8Array) => Value<F> | null
  /** Throws on a value outside its type, which is a bug. */
  readonly encode: (value: Value<F>) => Uint8Array
}

export type Of<M> = M extends Message<infer F> ? Value<F> : never

/** Most messages of the platform begin with these. Times are UNIX milliseconds. A correlation id is echoed, however long. */
export const common = { correlationId: "string", timestamp: "long", timeout: "timeout" } as const
/** The same for events. */
export const commonOfEvents = { ...common, correlationId: "eventCorrelationId" } as const

/** Describes a message; the order of `fields` is the order on the wire. */
export const message = <const F extends Fields>(namespace: string, name: string, fields: F): Message<F> => {
  const ordered = Object.entries(fields)
  // Defaults are for readers of the schema; a message is always written whole.
  const schema = {
    namespace,
    name,
    type: "record",
    fields: ordered.map(([field, kind]) => ({ name: field, ...kinds[kind] }))
  }
  const parts = ordered.map(([field, kind]) => ({ field, codec: codecs[kind] as Codec<unknown> }))
  const decode = (bytes: Uint8Array): Value<F> | null => {
    const reader = new AvroReader(bytes)
    const value: Record<string, unknown> = {}
    for (const { codec, field } of parts) {
      const item = codec.read(reader)
      if (item === malformed) return null
      value[field] = item
    }
    return reader.isAtEnd() ? (value as Value<F>) : null
  }
  const encode = (value: Value<F>): Uint8Array =>
    Buffer.concat(parts.map(({ codec, field }) => codec.write(value[field])))
  return { record: `${namespace}.${name}`, fields, schema, decode, encode }
}
