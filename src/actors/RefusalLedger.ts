/**
 * Repeated refusals, collapsed: the first is a row of the audit at once, those that follow within a
 * while are counted and become one row with their number.
 *
 * Pure bookkeeping in memory, bounded: when it is full, a new kind of refusal gets a row each time. A
 * crash loses the counts of one such while, never a first refusal and never a read.
 */
import type { AuditEntry } from "../store/TenantStore.ts"

interface Kept {
  readonly tenantId: string
  readonly entry: AuditEntry
  readonly since: number
  count: number
}

export interface CountedRefusals {
  readonly tenantId: string
  readonly entries: ReadonlyArray<AuditEntry>
}

const keyOf = (tenantId: string, entry: AuditEntry): string =>
  JSON.stringify([tenantId, entry.actor, entry.action, entry.entityId, entry.diff])

export class RefusalLedger {
  private readonly kept = new Map<string, Kept>()
  private readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** True: write this one as a row of its own. False: it was counted. */
  note(tenantId: string, entry: AuditEntry, now: number): boolean {
    const key = keyOf(tenantId, entry)
    const before = this.kept.get(key)
    if (before !== undefined) {
      before.count += 1
      return false
    }
    if (this.kept.size < this.capacity) this.kept.set(key, { tenantId, entry, since: now, count: 0 })
    return true
  }

  /** As if it had not been noted, unless others were counted since. */
  forget(tenantId: string, entry: AuditEntry): void {
    const key = keyOf(tenantId, entry)
    if (this.kept.get(key)?.count === 0) this.kept.delete(key)
  }

  /** Takes out what was first seen at or before `until`: the rows to write for what was counted, by tenant. */
  take(until: number): ReadonlyArray<CountedRefusals> {
    const byTenant = new Map<string, Array<AuditEntry>>()
    for (const [key, { count, entry, since, tenantId }] of this.kept) {
      if (since > until) continue
      this.kept.delete(key)
      if (count === 0) continue
      const entries = byTenant.get(tenantId) ?? []
      entries.push({ ...entry, diff: { ...entry.diff, count } })
      byTenant.set(tenantId, entries)
    }
    return Array.from(byTenant, ([tenantId, entries]) => ({ tenantId, entries }))
  }
}
