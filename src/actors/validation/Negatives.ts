/**
 * Answers of one tenant that are not 200, remembered for a second at most.
 *
 * They spare MariaDB a caller that asks again and again for a token that is unknown, suspended or
 * revoked. Whatever may make one of them untrue (`forgetAll`) forgets them all at once, also those
 * that a statement sent before is still to bring: its answer is kept only if `epoch` is the same.
 * Bounded: the oldest gives way.
 */

import type { Answer } from "./ValidationReply.ts"

export const negativeMs = 1_000
export const negativesPerTenantMax = 4_096

interface Kept {
  readonly h2: number
  readonly h3: number
  readonly until: number
  readonly answer: Answer
}

/** 53 bits of a hash, exact in a number; the rest is compared. */
const keyOf = (h0: number, h1: number): number => (h1 & 0x1fffff) * 0x1_0000_0000 + (h0 >>> 0)

export class Negatives {
  /** Grows whenever what was remembered may have become untrue. */
  epoch = 0
  private kept = new Map<number, Kept>()
  private newestUntil = 0

  find(h0: number, h1: number, h2: number, h3: number, now: number): Answer | undefined {
    if (this.kept.size === 0) return undefined
    const found = this.kept.get(keyOf(h0, h1))
    return found !== undefined && found.h2 === h2 && found.h3 === h3 && now < found.until ? found.answer : undefined
  }

  /** @param epoch what `epoch` was before the statement was sent that this comes from */
  put(h0: number, h1: number, h2: number, h3: number, now: number, epoch: number, answer: Answer): void {
    if (epoch !== this.epoch) return
    // Insertion order is the order of ends: what is over stands in front.
    for (const [key, { until }] of this.kept) {
      if (until > now && this.kept.size < negativesPerTenantMax) break
      this.kept.delete(key)
    }
    const key = keyOf(h0, h1)
    this.kept.delete(key)
    this.newestUntil = now + negativeMs
    this.kept.set(key, { h2, h3, until: now + negativeMs, answer })
  }

  forgetAll(): void {
    this.epoch++
    if (this.kept.size > 0) this.kept = new Map()
  }

  /** Lets go of everything when the last of it is over; answers whether nothing is left. */
  trim(now: number): boolean {
    if (this.newestUntil <= now && this.kept.size > 0) this.kept = new Map()
    return this.kept.size === 0
  }

  get count(): number {
    return this.kept.size
  }
}
