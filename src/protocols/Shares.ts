/**
 * Who may have how many requests worked on at once, so that nobody's flood takes everybody's places.
 *
 * - A tenant has a share, whatever others do; one more is refused.
 * - Whoever asks for many tenants, and is known by name before anything is read, has a quarter of all.
 * - Places of their own are kept for what takes a right away: beyond a tenant's share, beyond all shares
 *   together, and so many for each tenant that no tenant's flood of such requests takes another's.
 * - What is always answered has places beyond all that.
 */
import { Effect } from "effect"

/** Places kept for what takes a right away: of each tenant, and of all together. */
export const keptPerTenant = 32
export const keptPlaces = 1_024
/** So many of them for one that asks: names of tenants can be made up. */
export const keptPerAsker = 256
/** Places for what is answered whatever the load. */
export const alwaysPlaces = 256
const askerPart = 1 / 4
/** However few there are in all. */
const askerMin = 64

export interface Entering {
  /** Whose share it counts against. */
  readonly tenant: string
  readonly tenantMax: number
  /** Null: not known by name. */
  readonly asker: string | null
  readonly takesAway: boolean
  readonly always: boolean
}

export interface Shares {
  /** Gives the place back; null when there is none. To be called once. */
  readonly enter: (entering: Entering) => (() => void) | null
  /**
   * The tenant has all that it may have, or where no place is left, its equal part of them: who is refused is refused for
   * its own sake, whatever others do.
   */
  readonly isFull: (entering: Entering) => boolean
  readonly count: () => number
  /** Completes when nothing is under way. */
  readonly idle: Effect.Effect<void>
}

/** How many there are of each name; a name that has none is not kept. */
class Counts {
  private readonly counts = new Map<string, number>()
  of(name: string): number {
    return this.counts.get(name) ?? 0
  }
  get names(): number {
    return this.counts.size
  }
  add(name: string, change: 1 | -1): void {
    const count = this.of(name) + change
    if (count === 0) this.counts.delete(name)
    else this.counts.set(name, count)
  }
}

export const make = (max: number): Shares => {
  const [tenants, askers, kept, keptAskers] = [new Counts(), new Counts(), new Counts(), new Counts()]
  const askerMax = Math.max(askerMin, Math.ceil(max * askerPart))
  let [ordinaryCount, keptCount, alwaysCount] = [0, 0, 0]
  let waiters: Array<() => void> = []

  const left = () => {
    if (ordinaryCount + keptCount + alwaysCount > 0) return
    const woken = waiters
    waiters = []
    for (const wake of woken) wake()
  }

  const hasItsShare = ({ tenant, tenantMax }: Entering) => tenants.of(tenant) >= tenantMax
  const hasItsPart = ({ tenant }: Entering) => ordinaryCount >= max && tenants.of(tenant) * tenants.names >= max
  const hasItsKeptPlaces = ({ tenant }: Entering) => kept.of(tenant) >= keptPerTenant

  const ordinary = (entering: Entering) => {
    const { asker, tenant } = entering
    if (ordinaryCount >= max || hasItsShare(entering)) return null
    if (asker !== null && askers.of(asker) >= askerMax) return null
    ordinaryCount++
    tenants.add(tenant, 1)
    if (asker !== null) askers.add(asker, 1)
    return () => {
      ordinaryCount--
      tenants.add(tenant, -1)
      if (asker !== null) askers.add(asker, -1)
      left()
    }
  }
  const keptFor = (entering: Entering) => {
    const { asker, tenant } = entering
    if (keptCount >= keptPlaces || hasItsKeptPlaces(entering)) return null
    if (asker !== null && keptAskers.of(asker) >= keptPerAsker) return null
    keptCount++
    kept.add(tenant, 1)
    if (asker !== null) keptAskers.add(asker, 1)
    return () => {
      keptCount--
      kept.add(tenant, -1)
      if (asker !== null) keptAskers.add(asker, -1)
      left()
    }
  }
  const always = () => {
    if (alwaysCount >= alwaysPlaces) return null
    alwaysCount++
    return () => {
      alwaysCount--
      left()
    }
  }

  return {
    enter: (entering) =>
      entering.always ? always() : (ordinary(entering) ?? (entering.takesAway ? keptFor(entering) : null)),
    isFull: (entering) =>
      (hasItsShare(entering) || hasItsPart(entering)) && (!entering.takesAway || hasItsKeptPlaces(entering)),
    count: () => ordinaryCount + keptCount + alwaysCount,
    idle: Effect.callback<void>((resume) => {
      if (ordinaryCount + keptCount + alwaysCount === 0) return resume(Effect.void)
      waiters.push(() => resume(Effect.void))
    })
  }
}
