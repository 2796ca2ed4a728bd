/**
 * Messages of the platform protocols: raw Avro binary, no header, no schema id.
 *
 * A message is described once, as an ordered list of fields, and its TypeScript type follows from
 * that. `decode` is strict: bytes left over, a truncated message, a number of more than 64 bits and
 * text that is not UTF-8 all read as `null`; why is not told, since an answer may not explain our
 * parser. A `long` is a `bigint`, exact over all 64 bits.
 *
 * The order of a union matters on the wire: identifiers are string first, phrases are null first.
 */
import avsc from "avsc"

const longMin = -(2n ** 63n)
const longMax = 2n ** 63n - 1n
const longBytesMax = 10

/** A zig-zag number of at most 64 bits. */
const readLong = (bytes: Uint8Array): bigint => {
  let bits = 0n
  bytes.forEach((byte, index) => {
    bits |= BigInt(byte & 0x7f) << BigInt(7 * index)
  })
  if (bytes.length > longBytesMax || bits >> 64n !== 0n) throw new Error("more than 64 bits")
  return (bits >> 1n) ^ -(bits & 1n)
}

const writeLong = (value: bigint): Buffer => {
  let bits = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: Array<number> = []
  for (; bits >= 0x80n; bits >>= 7n) bytes.push(Number(bits & 0x7fn) | 0x80)
  bytes.push(Number(bits))
  return Buffer.from(bytes)
}

const bigintLong = avsc.types.LongType.__with(
  {
    fromBuffer: readLong,
    toBuffer: writeLong,
    fromJSON: (value: number | string) => BigInt(value),
    toJSON: (value: bigint) => Number(value),
    isValid: (value: unknown) => typeof value === "bigint" && value >= longMin && value <= longMax,
    compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1)
  },
  true
)

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** A string has the bytes of `bytes` on the wire; read as such, so that what is not UTF-8 is noticed. */
class StrictText extends avsc.types.LogicalType {
  override _fromValue(bytes: Buffer): string {
    return decoder.decode(bytes)
  }
  override _toValue(text: unknown): Buffer | undefined {
    return typeof text === "string" ? Buffer.from(text) : undefined
  }
}
const strictText = { type: "bytes", logicalType: "strictText" }

/** The same type with every `string` read strictly. */
const strictly = (type: unknown): unknown => {
  if (type === "string") return strictText
  if (Array.isArray(type)) return type.map(strictly)
  if (typeof type !== "object" || type === null) return type
  return Object.fromEntries(
    Object.entries(type).map(([key, inner]) => [key, key === "type" || key === "items" ? strictly(inner) : inner])
  )
}

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
  /** The message, or null when the bytes are anything else. Never throws. */
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
  // Defaults are for readers of the schema; a message is always written whole.
  const strict = { ...schema, fields: schema.fields.map(({ name, type }) => ({ name, type: strictly(type) })) }
  const type = avsc.Type.forSchema(strict as unknown as avsc.Schema, {
    registry: { long: bigintLong },
    logicalTypes: { strictText: StrictText },
    wrapUnions: false
  })
  const decode = (bytes: Uint8Array): Value<F> | null => {
    try {
      return { ...(type.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as Value<F>) }
    } catch {
      return null
    }
  }
  return { record: `${namespace}.${name}`, fields, schema, decode, encode: (value) => type.toBuffer(value) }
}
