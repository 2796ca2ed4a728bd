/**
 * Tombstones: which tokens were taken away while this replica listened, and by which sequence, so that
 * what was read before is not believed when it comes late or stands in the shared cache.
 *
 * A tombstone is dropped as soon as it proves nothing any more: what is older than the tenant's
 * covered sequence is not believed anyway. Bounded for each tenant and for all together. What is
 * trimmed raises the covered sequence of its own tenant, whose older entries are then read anew. When
 * all together are too many, the tenants that have most give up what they have above a common level:
 * who has few keeps them.
 */
import { isSpent } from "../../domain/Belief.ts"
import type { TenantRecord } from "./Records.ts"

/** Tombstones of all tenants together, about 100 bytes each. */
export const tombstonesMax = 1_000_000
/** What is left of the limit when it was reached, so that it is not reached again at once. */
const leftAfterTrim = 7 / 8

/** How many each may keep so that all together keep no more than `total`: the largest give, the others do not. */
export const levelOf = (sizes: ReadonlyArray<number>, total: number): number => {
  let left = total
  const ascending = Uint32Array.from(sizes).sort()
  for (const [at, size] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - at))
    if (size > share) return share
    left -= size
  }
  return total
}

export class Tombstones {
  private readonly holders = new Set<TenantRecord>()
  private readonly perTenantMax: number
  private readonly max: number
  count = 0

  constructor(limits: { readonly perTenantMax: number; readonly max: number }) {
    this.perTenantMax = limits.perTenantMax
    this.max = limits.max
  }

  /** The newest revocation of the token, or 0. */
  seqOf(tenant: TenantRecord, tokenId: string): number {
    return tenant.tombstones.get(tokenId) ?? 0
  }

  bury(tenant: TenantRecord, tokenId: string, seq: number): void {
    const { tombstones } = tenant
    if (isSpent(seq, tenant.coveredSeq) || this.seqOf(tenant, tokenId) >= seq) return
    if (!tombstones.delete(tokenId)) this.count++
    tombstones.set(tokenId, seq)
    this.holders.add(tenant)
    if (tombstones.size > this.perTenantMax) this.trim(tenant, this.perTenantMax)
    if (this.count > this.max) this.trimLargest()
  }

  /** Says that the tenant's covered sequence has risen. */
  covered(tenant: TenantRecord): void {
    for (const [tokenId, seq] of tenant.tombstones) {
      if (isSpent(seq, tenant.coveredSeq)) this.drop(tenant, tokenId)
    }
  }

  /** The tenant begins anew: nothing of before can be compared. */
  forget(tenant: TenantRecord): void {
    for (const tokenId of tenant.tombstones.keys()) this.drop(tenant, tokenId)
  }

  private trimLargest(): void {
    const holders = Array.from(this.holders)
    const sizes = holders.map(({ tombstones }) => tombstones.size)
    const level = levelOf(sizes, Math.floor(this.max * leftAfterTrim))
    for (const tenant of holders) if (tenant.tombstones.size > level) this.trim(tenant, level)
  }

  /** The oldest go, and with them those that stand behind them and are spent now. */
  private trim(tenant: TenantRecord, level: number): void {
    const { tombstones } = tenant
    for (const [tokenId, seq] of tombstones) {
      if (tombstones.size <= level && !isSpent(seq, tenant.coveredSeq)) return
      tenant.coveredSeq = Math.max(tenant.coveredSeq, seq)
      this.drop(tenant, tokenId)
    }
  }

  private drop(tenant: TenantRecord, tokenId: string): void {
    tenant.tombstones.delete(tokenId)
    this.count--
    if (tenant.tombstones.size === 0) this.holders.delete(tenant)
  }
}
