/**
 * SipHash-2-4 with 128 bits of output, in 32-bit integer arithmetic.
 *
 * A keyed hash that nobody outside can steer: its key is drawn at start and never leaves the
 * process. It decides which entry of the hot table a request means, so it is the published function
 * and not a faster relative: the chance that two texts share 128 bits is what "the same token" rests on.
 *
 * The result is left in `h0` to `h3` (least significant word first, as in the published byte order):
 * a returned object or a BigInt would cost more than the hash. One instance serves one thread.
 */
import { randomBytes } from "node:crypto"

/** A key for the life of this process. */
export const makeSipKey = (): Uint8Array => randomBytes(16)

export class SipHash {
  h0 = 0
  h1 = 0
  h2 = 0
  h3 = 0

  private readonly key: Int32Array

  /** @param key 16 bytes */
  constructor(key: Uint8Array) {
    if (key.length !== 16) throw new Error("a SipHash key has 16 bytes")
    const view = new DataView(key.buffer, key.byteOffset, 16)
    this.key = Int32Array.of(
      view.getInt32(0, true),
      view.getInt32(4, true),
      view.getInt32(8, true),
      view.getInt32(12, true)
    )
  }

  /** Hashes `bytes[start, end)` into `h0` … `h3`. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    const key = this.key
    // v0 … v3, each as low and high half; the constants are the published initial state.
    let l0 = key[0]! ^ 0x70736575
    let g0 = key[1]! ^ 0x736f6d65
    let l1 = key[2]! ^ 0x6e646f6d ^ 0xee
    let g1 = key[3]! ^ 0x646f7261
    let l2 = key[0]! ^ 0x6e657261
    let g2 = key[1]! ^ 0x6c796765
    let l3 = key[2]! ^ 0x79746573
    let g3 = key[3]! ^ 0x74656462

    const length = end - start
    const whole = start + (length & ~7)
    let at = start
    let rounds = 0
    let messageLow = 0
    let messageHigh = 0
    // One loop runs every round, so that the round is written once: two after each word, four for each half.
    for (let stage = 0; stage < 3; ) {
      if (stage === 0) {
        if (at < whole) {
          messageLow = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
          messageHigh = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)
        } else {
          messageLow = 0
          messageHigh = (length & 0xff) << 24
          const left = end - at
          for (let index = 0; index < left; index++) {
            if (index < 4) messageLow |= bytes[at + index]! << (index * 8)
            else messageHigh |= bytes[at + index]! << ((index - 4) * 8)
          }
        }
        l3 ^= messageLow
        g3 ^= messageHigh
        rounds = 2
      } else {
        rounds = 4
      }

      for (; rounds > 0; rounds--) {
        let sum = (l0 >>> 0) + (l1 >>> 0)
        g0 = (g0 + g1 + (sum > 0xffffffff ? 1 : 0)) | 0
        l0 = sum | 0
        let low = ((l1 << 13) | (g1 >>> 19)) ^ l0
        g1 = ((g1 << 13) | (l1 >>> 19)) ^ g0
        l1 = low
        low = g0
        g0 = l0
        l0 = low

        sum = (l2 >>> 0) + (l3 >>> 0)
        g2 = (g2 + g3 + (sum > 0xffffffff ? 1 : 0)) | 0
        l2 = sum | 0
        low = ((l3 << 16) | (g3 >>> 16)) ^ l2
        g3 = ((g3 << 16) | (l3 >>> 16)) ^ g2
        l3 = low

        sum = (l0 >>> 0) + (l3 >>> 0)
        g0 = (g0 + g3 + (sum > 0xffffffff ? 1 : 0)) | 0
        l0 = sum | 0
        low = ((l3 << 21) | (g3 >>> 11)) ^ l0
        g3 = ((g3 << 21) | (l3 >>> 11)) ^ g0
        l3 = low

        sum = (l2 >>> 0) + (l1 >>> 0)
        g2 = (g2 + g1 + (sum > 0xffffffff ? 1 : 0)) | 0
        l2 = sum | 0
        low = ((l1 << 17) | (g1 >>> 15)) ^ l2
        g1 = ((g1 << 17) | (l1 >>> 15)) ^ g2
        l1 = low
        low = g2
        g2 = l2
        l2 = low
      }

      if (stage === 0) {
        l0 ^= messageLow
        g0 ^= messageHigh
        if (at < whole) at += 8
        else {
          stage = 1
          l2 ^= 0xee
        }
      } else if (stage === 1) {
        this.h0 = l0 ^ l1 ^ l2 ^ l3
        this.h1 = g0 ^ g1 ^ g2 ^ g3
        l1 ^= 0xdd
        stage = 2
      } else {
        this.h2 = l0 ^ l1 ^ l2 ^ l3
        this.h3 = g0 ^ g1 ^ g2 ^ g3
        stage = 3
      }
    }
  }
}
