/**
 * Repeated refusals, collapsed: the first is a row of the audit at once, those that follow within a
 * while are counted and become one row with their number.
 *
 * Pure bookkeeping in memory. What is taken out to be written stays here as a batch until it is told
 * what became of it: written, or not written and so counted on together with what came meanwhile.
 * As long as nothing is told, the same batch is given again under the same id, so that whoever
 * writes it can know it again. All of it together is bounded: when it is full, a new kind of refusal
 * gets a row each time. A crash loses the counts of one such while, never a first refusal.
 */
import type { AuditEntry } from "../../store/TenantStore.ts"

/** Rows of one batch, which one transaction writes. */
export const batchRowsMax = 500

interface Kept {
  readonly tenantId: string
  readonly entry: AuditEntry
  readonly since: number
  /** Those counted beside the one that got a row. */
  readonly count: number
  /** False: the row of the first was not committed, so the next one gets one. */
  readonly hasRow: boolean
}

/** One refusal that was noted. */
export interface Noted {
  /** True: write this one as a row of its own. False: it was counted. */
  readonly isRow: boolean
  /** It was not answered as a refusal: as if it had not been noted. */
  readonly undo: () => void
}

export interface RefusalBatch {
  /** The same whenever the same rows are given. */
  readonly batchId: string
  readonly tenantId: string
  readonly entries: ReadonlyArray<AuditEntry>
}

interface Out {
  readonly batch: RefusalBatch
  /** What it was made of. */
  readonly parts: ReadonlyArray<Kept>
  /** It was given before, and what became of it then is not known: only `written` ends that. */
  readonly inDoubt: boolean
}

const keyOf = (tenantId: string, entry: AuditEntry): string =>
  JSON.stringify([tenantId, entry.actor, entry.action, entry.entityId, entry.diff])

const sumOf = (all: Iterable<Kept>): number => Array.from(all).reduce((sum, { count }) => sum + count, 0)

export class RefusalLedger {
  private readonly kept = new Map<string, Kept>()
  /** Batches of which nothing is told yet. */
  private readonly out = new Map<string, Out>()
  private readonly capacity: number
  private outRows = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  note(tenantId: string, entry: AuditEntry, now: number): Noted {
    const key = keyOf(tenantId, entry)
    const before = this.kept.get(key)
    if (before === undefined) {
      if (this.kept.size + this.outRows >= this.capacity) return { isRow: true, undo: () => {} }
      this.kept.set(key, { tenantId, entry, since: now, count: 0, hasRow: true })
      return { isRow: true, undo: () => this.change(key, 0, false) }
    }
    if (!before.hasRow) {
      this.kept.set(key, { ...before, hasRow: true })
      return { isRow: true, undo: () => this.change(key, 0, false) }
    }
    this.kept.set(key, { ...before, count: before.count + 1 })
    return { isRow: false, undo: () => this.change(key, -1) }
  }

  /** Refusals that were counted and are not known to be written. */
  get counted(): number {
    return sumOf(this.kept.values()) + sumOf(Array.from(this.out.values()).flatMap(({ parts }) => parts))
  }

  /**
   * The batches of which nothing is told yet, then new ones of what was first seen at or before `until`.
   * Each wants `written` or `notWritten`.
   */
  take(until: number, nextId: () => string): ReadonlyArray<RefusalBatch> {
    for (const [batchId, out] of this.out) this.out.set(batchId, { ...out, inDoubt: true })
    const byTenant = new Map<string, Array<Kept>>()
    for (const [key, kept] of this.kept) {
      if (kept.since > until) continue
      this.kept.delete(key)
      if (kept.count === 0) continue
      const parts = byTenant.get(kept.tenantId)
      if (parts === undefined) byTenant.set(kept.tenantId, [kept])
      else parts.push(kept)
    }
    for (const [tenantId, all] of byTenant) {
      for (let at = 0; at < all.length; at += batchRowsMax) {
        const parts = all.slice(at, at + batchRowsMax)
        const entries = parts.map(({ count, entry }) => ({ ...entry, diff: { ...entry.diff, count } }))
        const batch = { batchId: nextId(), tenantId, entries }
        this.out.set(batch.batchId, { batch, parts, inDoubt: false })
        this.outRows += parts.length
      }
    }
    return Array.from(this.out.values(), ({ batch }) => batch)
  }

  written({ batchId }: RefusalBatch): void {
    this.outRows -= this.out.get(batchId)?.parts.length ?? 0
    this.out.delete(batchId)
  }

  /**
   * Its rows were not written now. Where it was given once only, they are not in the audit for certain,
   * and are counted on; otherwise they may be, from before, and it is given again.
   */
  notWritten(batch: RefusalBatch): void {
    const out = this.out.get(batch.batchId)
    if (out === undefined || out.inDoubt) return
    this.written(batch)
    for (const part of out.parts) {
      const key = keyOf(part.tenantId, part.entry)
      const meanwhile = this.kept.get(key)
      const count = part.count + (meanwhile?.count ?? 0)
      this.kept.set(key, { ...(meanwhile ?? part), since: part.since, count })
    }
  }

  private change(key: string, by: number, hasRow?: boolean): void {
    const kept = this.kept.get(key)
    if (kept === undefined) return
    const count = Math.max(0, kept.count + by)
    const after = { ...kept, count, hasRow: hasRow ?? kept.hasRow }
    if (count === 0 && !after.hasRow) this.kept.delete(key)
    else this.kept.set(key, after)
  }
}
