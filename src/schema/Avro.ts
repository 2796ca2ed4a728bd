/**
 * Messages of the platform protocols: raw Avro binary, no header, no schema id.
 *
 * A message is described once, as an ordered list of fields, and its TypeScript type follows from
 * that. `decode` is strict: it takes the one canonical encoding of a value and nothing else. Bytes
 * left over, a truncated or over-long number, more than 64 bits, and text that is not UTF-8 all
 * read as `null`; why is not told, since an answer may not explain our parser. A `long` is a
 * `bigint`, exact over all 64 bits.
 *
 * The order of a union matters on the wire: identifiers are string first, phrases are null first.
 */
import avsc from "avsc"

const longMin = -(2n ** 63n)
const longMax = 2n ** 63n - 1n

const bigintLong = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: (value: number | string) => BigInt(value),
  toJSON: (value: bigint) => Number(value),
  isValid: (value: unknown) => typeof value === "bigint" && value >= longMin && value <= longMax,
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1)
})

/** What a field may be, as its Avro type. */
export const kinds = {
  string: { type: "string" },
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
  readonly int: number
  readonly long: bigint
  readonly timeout: bigint
  readonly bytes: Uint8Array
  readonly strings: ReadonlyArray<string>
  readonly stringOrNull: string | null
  readonly nullOrString: string | null
  readonly contentType: string
}

export type Fields = Readonly<Record<string, keyof typeof kinds>>
export type Value<F extends Fields> = { readonly [K in keyof F]: KindTypes[F[K]] }

export interface Message<F extends Fields> {
  /** Namespace and name, as in the RFC. */
  readonly record: string
  readonly fields: F
  /** The Avro schema, as a plain object. */
  readonly schema: Readonly<Record<string, unknown>>
  /** The message, or null when the bytes are anything but its canonical encoding. Never throws. */
  readonly decode: (bytes: Uint8Array) => Value<F> | null
  /** Throws on a value outside its type, which is a bug. */
  readonly encode: (value: Value<F>) => Uint8Array
}

export type Of<M> = M extends Message<infer F> ? Value<F> : never

/** Most messages of the platform begin with these. Times are UNIX milliseconds. */
export const common = { correlationId: "string", timestamp: "long", timeout: "timeout" } as const

/** Describes a message; the order of `fields` is the order on the wire. */
export const message = <const F extends Fields>(namespace: string, name: string, fields: F): Message<F> => {
  const schema = {
    namespace,
    name,
    type: "record",
    fields: Object.entries(fields).map(([field, kind]) => ({ name: field, ...kinds[kind] }))
  }
  const type = avsc.Type.forSchema(structuredClone(schema) as unknown as avsc.Schema, {
    registry: { long: bigintLong },
    wrapUnions: false
  })
  const decode = (bytes: Uint8Array): Value<F> | null => {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    try {
      const value = type.fromBuffer(buffer) as Value<F>
      return type.toBuffer(value).equals(buffer) ? { ...value } : null
    } catch {
      return null
    }
  }
  return { record: `${namespace}.${name}`, fields, schema, decode, encode: (value) => type.toBuffer(value) }
}
