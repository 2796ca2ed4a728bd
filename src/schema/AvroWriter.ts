/**
 * Values as Avro binary. A value outside its type is a bug, and thrown as one.
 *
 * Source: Apache Avro 1.12 specification, "Binary Encoding".
 */
const longMin = -(2n ** 63n)
const longMax = 2n ** 63n - 1n
const intMin = -0x8000_0000
const intMax = 0x7fff_ffff

const bug = (expected: string): never => {
  throw new TypeError(`not ${expected}`)
}

export const long = (value: bigint): Uint8Array => {
  if (typeof value !== "bigint" || value < longMin || value > longMax) return bug("a number of 64 bits")
  let bits = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: Array<number> = []
  for (; bits >= 0x80n; bits >>= 7n) bytes.push(Number(bits & 0x7fn) | 0x80)
  bytes.push(Number(bits))
  return Uint8Array.from(bytes)
}

export const int = (value: number): Uint8Array =>
  Number.isInteger(value) && value >= intMin && value <= intMax ? long(BigInt(value)) : bug("a number of 32 bits")

export const octets = (value: Uint8Array): Uint8Array =>
  value instanceof Uint8Array ? Buffer.concat([long(BigInt(value.length)), value]) : bug("bytes")

/** A lone surrogate, which UTF-8 cannot hold, is written as U+FFFD. */
export const text = (value: string): Uint8Array =>
  typeof value === "string" ? octets(Buffer.from(value)) : bug("text")

export const optionalText = (value: string | null, nullBranch: 0 | 1): Uint8Array =>
  value === null ? long(BigInt(nullBranch)) : Buffer.concat([long(BigInt(1 - nullBranch)), text(value)])

export const texts = (values: ReadonlyArray<string>): Uint8Array => {
  if (!Array.isArray(values)) return bug("a list of texts")
  const end = long(0n)
  return values.length === 0 ? end : Buffer.concat([long(BigInt(values.length)), ...values.map(text), end])
}
