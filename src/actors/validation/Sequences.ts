/**
 * Whether a tenant's revocation sequence still goes up.
 *
 * It only ever rises, unless somebody else writes to the database. What is applied was committed, so a
 * statement sent after that reads no lower sequence; one that does shows that the sequence was set back. Then
 * nothing that compares sequences of before with sequences of now says anything: the tenant begins anew.
 *
 * A sequence is known from a row of MariaDB or from a revocation, never from the shared cache: what stands
 * there under a higher one is not believed. And whatever its sequence, a token or client credential from
 * before its newest revocations is known by its version, which its row's tag covers. Nothing here does I/O.
 */
import type { TenantRecord } from "./Records.ts"

/** Of one tenant; the oldest give way, and the tombstones remain. */
const versionsMax = 256

export class Sequences {
  /** Raised with each change of what is known, so that a statement can say what it was sent after. */
  tick = 1
  /** How often a sequence was found set back. */
  fallen = 0

  /** A revocation came. Answers whether its sequence is one that was passed before: late, or set back. */
  applied(tenant: TenantRecord, seq: number): boolean {
    if (seq <= tenant.topSeq) {
      tenant.lateSeq = Math.max(tenant.lateSeq, seq)
      return true
    }
    this.raise(tenant, seq)
    return false
  }

  /**
   * A row was read. Answers whether the tenant begins anew.
   *
   * @param sentTick `tick` when its statement was sent; 0 where nobody knows
   */
  read(tenant: TenantRecord, readSeq: number, sentTick: number): boolean {
    // Of before the new beginning.
    if (sentTick < tenant.startedTick) return false
    if (readSeq > tenant.topSeq) this.raise(tenant, readSeq)
    return readSeq < tenant.topSeq && tenant.topTick < sentTick
  }

  /** Forgets every comparison; a row read before what was applied meanwhile is not believed either. */
  beginAnew(tenant: TenantRecord, readSeq: number): void {
    this.fallen++
    const seq = Math.max(readSeq, tenant.lateSeq)
    this.raise(tenant, seq)
    tenant.startedTick = tenant.topTick
    tenant.coveredSeq = seq
    tenant.coveredGeneration = 0
    tenant.epochSeq = 0
    for (const application of tenant.applications.values()) application.epochSeq = 0
    tenant.removedApplications = 0
    tenant.negatives.forgetAll()
  }

  private raise(tenant: TenantRecord, seq: number): void {
    tenant.topSeq = seq
    tenant.topTick = this.tick++
    tenant.lateSeq = 0
  }
}

/** The token or client credential was taken away as of this version. */
export const remember = ({ versions }: TenantRecord, id: string, version: number): void => {
  const newest = Math.max(version, versions.get(id) ?? 0)
  versions.delete(id)
  versions.set(id, newest)
  if (versions.size > versionsMax) versions.delete(versions.keys().next().value!)
}

/** Whether it is from before a revocation, or was read under a sequence that the tenant has not. */
export const isImpossible = (tenant: TenantRecord, id: string, version: number, readSeq: number): boolean =>
  readSeq > tenant.topSeq || version < (tenant.versions.get(id) ?? 0)
