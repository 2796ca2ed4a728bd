/** What lists of numbers a walk has met, by hashes of 64 bits: half a million of them are told apart all but surely. */

/** Writes the hash of the first `length` numbers to two places of `out`. */
export const hashInto = (out: Int32Array, at: number, numbers: Int32Array, length: number): void => {
  let high = 0xdeadbeef | 0
  let low = 0x41c6ce57
  for (let index = 0; index < length; index++) {
    const number = numbers[index]!
    high = Math.imul(high ^ number, 0x9e3779b1)
    low = Math.imul(low ^ number, 0x5f356495)
    high ^= high >>> 15
    low ^= low >>> 13
  }
  const mixed = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35)
  out[at] = mixed
  out[at + 1] = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
}

const code = new Int32Array(2)

export class HashSet {
  /** Pairs; a free one is 0, 0. */
  #slots = new Int32Array(2 << 12)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Whether it was not there before. */
  add(numbers: Int32Array, length = numbers.length): boolean {
    hashInto(code, 0, numbers, length)
    return this.addHash(code[0]!, code[1]!)
  }

  addHash(high: number, low: number): boolean {
    // A free pair is no hash.
    const isNew = this.#put(high, high === 0 && low === 0 ? 1 : low)
    if (isNew && ++this.#size * 4 > this.#slots.length) this.#grow()
    return isNew
  }

  #put(high: number, low: number): boolean {
    const slots = this.#slots
    const last = slots.length - 1
    for (let at = (low << 1) & last; ; at = (at + 2) & last) {
      const there = slots[at]!
      const besideIt = slots[at + 1]!
      if (there === high && besideIt === low) return false
      if (there === 0 && besideIt === 0) {
        slots[at] = high
        slots[at + 1] = low
        return true
      }
    }
  }

  #grow(): void {
    const former = this.#slots
    this.#slots = new Int32Array(former.length * 2)
    for (let at = 0; at < former.length; at += 2) {
      if (former[at] !== 0 || former[at + 1] !== 0) this.#put(former[at]!, former[at + 1]!)
    }
  }
}
