/**
 * Avro binary of a stranger, read from its beginning to its end.
 *
 * A reader belongs to one message and keeps nothing for the next. Every length and every count is
 * compared with the bytes that are left before it is used, so no message asks for more memory than it
 * brings, and no number of it moves the position anywhere but forward. What cannot be read is
 * `malformed`; a reader that has said so is not asked again. Nothing here throws.
 *
 * Source: Apache Avro 1.12 specification, "Binary Encoding".
 */
import { textOf } from "./Utf8.ts"

/** What a reading answers in place of a value: the bytes are not such a value. */
export const malformed: unique symbol = Symbol("malformed")
export type Malformed = typeof malformed

const longBytesMax = 10
const intMax = 0x7fff_ffff

export class AvroReader {
  private position = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** Whether everything was read. */
  isAtEnd(): boolean {
    return this.position === this.bytes.length
  }

  /** A zig-zag number of at most 64 bits, exact. A longer encoding than needed is allowed, as Avro has it. */
  long(): bigint | Malformed {
    let bits = 0n
    for (let count = 0; count < longBytesMax; count++) {
      const byte = this.bytes[this.position + count]
      if (byte === undefined) return malformed
      if (count === longBytesMax - 1 && byte > 1) return malformed
      bits |= BigInt(byte & 0x7f) << BigInt(7 * count)
      if (byte >= 0x80) continue
      this.position += count + 1
      return (bits >> 1n) ^ -(bits & 1n)
    }
    return malformed
  }

  int(): number | Malformed {
    const value = this.long()
    if (value === malformed || value > BigInt(intMax) || value < -BigInt(intMax) - 1n) return malformed
    return Number(value)
  }

  text(): string | Malformed {
    const end = this.lengthEnd()
    if (end === malformed) return malformed
    const text = textOf(this.bytes, this.position, end)
    if (text === null) return malformed
    this.position = end
    return text
  }

  /** A copy: what is kept of a message does not keep the message. */
  octets(): Uint8Array | Malformed {
    const end = this.lengthEnd()
    if (end === malformed) return malformed
    const octets = Buffer.from(this.bytes.subarray(this.position, end))
    this.position = end
    return octets
  }

  /** Text or null, null being the branch `nullBranch` of the two. */
  optionalText(nullBranch: 0 | 1): string | null | Malformed {
    const branch = this.long()
    if (branch !== 0n && branch !== 1n) return malformed
    return branch === BigInt(nullBranch) ? null : this.text()
  }

  /** Texts in blocks; of a negative count the size of the block in bytes follows, and must be right. */
  texts(): ReadonlyArray<string> | Malformed {
    const texts: Array<string> = []
    while (true) {
      const count = this.long()
      if (count === malformed) return malformed
      if (count === 0n) return texts
      const end = count < 0n ? this.lengthEnd() : null
      if (end === malformed) return malformed
      const items = count < 0n ? -count : count
      // Each text has at least the byte of its length.
      if (items > BigInt((end ?? this.bytes.length) - this.position)) return malformed
      for (let left = Number(items); left > 0; left--) {
        const text = this.text()
        if (text === malformed) return malformed
        texts.push(text)
      }
      if (end !== null && this.position !== end) return malformed
    }
  }

  /** A length, and where what it measures ends: within the message. */
  private lengthEnd(): number | Malformed {
    const length = this.long()
    if (length === malformed || length < 0n || length > BigInt(this.bytes.length - this.position)) return malformed
    return this.position + Number(length)
  }
}
