/**
 * What waits to be asked for: one line for each tenant, and turns between the lines, so that a flood
 * of one tenant does not delay another's. Each token is here once.
 *
 * Everything but `takeOverdue` costs no more than what it takes, however much waits.
 */
import type { ApplicationRecord, TenantRecord } from "./Records.ts"

/** One token that is waited for. Who waits for it is the owner's matter. */
export interface Miss {
  readonly h0: number
  readonly h1: number
  readonly h2: number
  readonly h3: number
  readonly appName: string
  readonly token: string
  readonly application: ApplicationRecord
  readonly bornAt: number
  cacheAsked: boolean
  /** The tenant's negative epoch when the statement was sent. */
  negativeEpoch: number
  /** Whether it is here. Set by `MissLines` alone. */
  waits: boolean
}

/** What was passed in a list is let go once it is this much and the larger part. */
const passedMin = 1_024

/** First come, first taken. What was taken out of turn is passed over. */
class Line<M extends Miss> {
  private misses: Array<M> = []
  private head = 0

  push(miss: M): void {
    this.misses.push(miss)
  }

  /** Takes the next one that still waits out of the line. */
  next(): M | undefined {
    if (!this.advance()) return undefined
    return this.misses[this.head++]
  }

  /** Goes to the next one that still waits; false when there is none. */
  advance(): boolean {
    const { misses } = this
    while (this.head < misses.length && !misses[this.head]!.waits) this.head++
    if (this.head > passedMin && this.head * 2 > misses.length) {
      this.misses = misses.slice(this.head)
      this.head = 0
    }
    return this.head < this.misses.length
  }

  forEach(visit: (miss: M) => void): void {
    for (let at = this.head; at < this.misses.length; at++) visit(this.misses[at]!)
  }
}

export class MissLines<M extends Miss> {
  private readonly lines = new Map<TenantRecord, Line<M>>()
  private readonly byHash = new Map<number, M | Array<M>>()
  /** Those that nobody has looked for in the shared cache, in the order in which they came. */
  private fresh: Array<M> = []
  count = 0

  find(h0: number, h1: number, h2: number, h3: number): M | undefined {
    const found = this.byHash.get(h0)
    if (found === undefined) return undefined
    const isIt = (miss: M) => miss.h1 === h1 && miss.h2 === h2 && miss.h3 === h3
    return Array.isArray(found) ? found.find(isIt) : isIt(found) ? found : undefined
  }

  /** The token of `miss` is not here yet. */
  add(miss: M): void {
    const alike = this.byHash.get(miss.h0)
    if (alike === undefined) this.byHash.set(miss.h0, miss)
    else if (Array.isArray(alike)) alike.push(miss)
    else this.byHash.set(miss.h0, [alike, miss])
    const tenant = miss.application.tenant
    let line = this.lines.get(tenant)
    if (line === undefined) {
      line = new Line()
      this.lines.set(tenant, line)
    }
    miss.waits = true
    line.push(miss)
    this.count++
    if (miss.cacheAsked) return
    if (this.fresh.length > passedMin && this.fresh.length > 2 * this.count) {
      this.fresh = this.fresh.filter(({ waits }) => waits)
    }
    this.fresh.push(miss)
  }

  /** Takes out at most `max`, one of each tenant in turn. */
  takeTurns(max: number): Array<M> {
    const taken: Array<M> = []
    while (taken.length < max && this.lines.size > 0) {
      const alone = this.lines.size === 1
      // A line that is not empty goes to the end, where the next walk finds it.
      for (const [tenant, line] of this.lines) {
        for (let left = alone ? max - taken.length : 1; left > 0; left--) {
          const miss = line.next()
          if (miss === undefined) break
          this.unlink(miss)
          taken.push(miss)
        }
        if (!line.advance()) this.lines.delete(tenant)
        else if (!alone) {
          this.lines.delete(tenant)
          this.lines.set(tenant, line)
        }
        if (taken.length >= max) break
      }
    }
    return taken
  }

  /**
   * Takes out, in their order, at most `max` of those that came since the last call and that `wanted`
   * names. The others are not asked about again.
   */
  takeFresh(wanted: (miss: M) => boolean, max: number): Array<M> {
    const taken: Array<M> = []
    const { fresh } = this
    let seen = 0
    for (; seen < fresh.length && taken.length < max; seen++) {
      const miss = fresh[seen]!
      if (!miss.waits || miss.cacheAsked || !wanted(miss)) continue
      this.unlink(miss)
      taken.push(miss)
      const { tenant } = miss.application
      if (this.lines.get(tenant)?.advance() === false) this.lines.delete(tenant)
    }
    this.fresh = this.count === 0 ? [] : fresh.slice(seen)
    return taken
  }

  /** Takes out all that were born at `bornAt` or before. */
  takeOverdue(bornAt: number): Array<M> {
    const taken: Array<M> = []
    for (const [tenant, line] of this.lines) {
      line.forEach((miss) => {
        if (!miss.waits || miss.bornAt > bornAt) return
        this.unlink(miss)
        taken.push(miss)
      })
      if (!line.advance()) this.lines.delete(tenant)
    }
    return taken
  }

  private unlink(miss: M): void {
    const alike = this.byHash.get(miss.h0)!
    if (!Array.isArray(alike) || alike.length === 1) this.byHash.delete(miss.h0)
    else alike.splice(alike.indexOf(miss), 1)
    miss.waits = false
    this.count--
    // A miss holds a token's value: none is kept once nobody waits.
    if (this.count === 0) this.fresh = []
  }
}
