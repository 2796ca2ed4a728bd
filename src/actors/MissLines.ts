/**
 * What waits to be asked for: one line for each tenant, and turns between the lines, so that a flood
 * of one tenant does not delay another's. Each token is here once.
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
}

export class MissLines<M extends Miss> {
  private readonly lines = new Map<TenantRecord, Array<M>>()
  private readonly byHash = new Map<number, Array<M>>()
  count = 0

  find(h0: number, h1: number, h2: number, h3: number): M | undefined {
    return this.byHash.get(h0)?.find((miss) => miss.h1 === h1 && miss.h2 === h2 && miss.h3 === h3)
  }

  /** The token of `miss` is not here yet. */
  add(miss: M): void {
    const chain = this.byHash.get(miss.h0)
    if (chain === undefined) this.byHash.set(miss.h0, [miss])
    else chain.push(miss)
    const tenant = miss.application.tenant
    const line = this.lines.get(tenant)
    if (line === undefined) this.lines.set(tenant, [miss])
    else line.push(miss)
    this.count++
  }

  /** Takes out at most `max`, one of each tenant in turn. */
  takeTurns(max: number): Array<M> {
    const taken: Array<M> = []
    // A line that is not empty goes to the end, where this walk and the next one find it.
    for (const [tenant, line] of this.lines) {
      if (taken.length >= max) break
      const miss = line.shift()!
      this.lines.delete(tenant)
      if (line.length > 0) this.lines.set(tenant, line)
      this.unlink(miss)
      taken.push(miss)
    }
    return taken
  }

  /** Takes out, in their order, at most `max` of those that `wanted` names. */
  takeWhere(wanted: (miss: M) => boolean, max: number): Array<M> {
    const taken: Array<M> = []
    for (const [tenant, line] of this.lines) {
      const left = line.filter((miss) => {
        if (taken.length >= max || !wanted(miss)) return true
        taken.push(miss)
        return false
      })
      if (left.length === 0) this.lines.delete(tenant)
      else if (left.length < line.length) this.lines.set(tenant, left)
    }
    for (const miss of taken) this.unlink(miss)
    return taken
  }

  private unlink(miss: M): void {
    const chain = this.byHash.get(miss.h0)!
    if (chain.length === 1) this.byHash.delete(miss.h0)
    else chain.splice(chain.indexOf(miss), 1)
    this.count--
  }
}
