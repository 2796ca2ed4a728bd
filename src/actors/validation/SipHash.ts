/**
 * SipHash-2-4 with 128 bits of output, in 64-bit arithmetic.
 *
 * A keyed hash that nobody outside can steer: its key is drawn at start and never leaves the
 * process. It decides which entry of the hot table a request means, so it is the published function
 * and not a faster relative: the chance that two texts share 128 bits is what "the same token" rests on.
 *
 * The rounds are a WebAssembly program of one function (`SipHashProgram.ts`), since JavaScript's numbers are
 * halves of what the function works on: that takes an eighth of the time. The message goes into its memory word by
 * word, and the result is left in `h0` to `h3` (least significant word first, as in the published byte order):
 * a returned object or a BigInt would cost more than the hash. One instance serves one thread.
 */
import { randomBytes } from "node:crypto"
import { keyAt, load, messageAt, resultAt } from "./SipHashProgram.ts"

/** A key for the life of this process. */
export const makeSipKey = (): Uint8Array => randomBytes(16)

const wordBytes = 4

export class SipHash {
  h0 = 0
  h1 = 0
  h2 = 0
  h3 = 0

  private readonly words: Int32Array
  private readonly run: (end: number) => void

  /** @param key 16 bytes */
  constructor(key: Uint8Array) {
    if (key.length !== 16) throw new Error("a SipHash key has 16 bytes")
    const { memory, run } = load()
    this.run = run
    this.words = new Int32Array(memory)
    new Uint8Array(memory).set(key, keyAt)
  }

  /** Hashes `bytes[start, end)` into `h0` … `h3`. Throws for what is longer than the program's memory: 65,503 bytes. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    const { words } = this
    const length = end - start
    const whole = start + (length & ~3)
    let at = start
    let word = messageAt / wordBytes
    for (; at < whole; at += wordBytes) {
      words[word++] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    }
    // What is left of four bytes, then zeros up to eight, the last of which says the length.
    let rest = 0
    for (let shift = 0; at < end; at++, shift += 8) rest |= bytes[at]! << shift
    const last = (length & 0xff) << 24
    if ((word & 1) === 1) words[word++] = rest | last
    else {
      words[word++] = rest
      words[word++] = last
    }
    this.run(word * wordBytes)
    const result = resultAt / wordBytes
    this.h0 = words[result]!
    this.h1 = words[result + 1]!
    this.h2 = words[result + 2]!
    this.h3 = words[result + 3]!
  }
}
