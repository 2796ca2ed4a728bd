/**
 * Repeated refusals, collapsed: the first is a row of the audit at once, those that follow within a
 * while are counted and become one row with their number.
 *
 * Pure bookkeeping in memory. What is taken out to be written stays here as a batch until it is told
 * what became of it: written, or not written and so counted on together with what came meanwhile.
 * As long as nothing is told, the same batch is given again under the same id, so that whoever
 * writes it can know it again. A crash loses the counts of one such while, never a first refusal.
 *
 * Rows are bounded, whatever is asked for: once an actor has named `idsMax` different things for one reason
 * within the while, all else that it names is one number (`others`); so it cannot fill an audit by names
 * that it makes up. Memory is bounded, too: when `capacity` kinds are counted, what is new is counted by
 * tenant and reason, whoever it was. Every refusal is told of exactly once, as a row or in a number.
 */
import type { AuditEntry, AuditWho } from "../../store/TenantStore.ts"

/** Rows of one batch, which one transaction writes. */
export const batchRowsMax = 500

/** What stands for the things, or the actors, that are not told one by one. No id and no principal has a parenthesis. */
export const others = "(others)"

interface Kept {
  readonly tenantId: string
  /** Those of one actor and reason, among which things are told apart. */
  readonly group: string
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

const keyOf = (tenantId: string, { action, actor, diff, entityId, known }: AuditEntry): string =>
  JSON.stringify([tenantId, actor, known.by, known.account, known.user, known.client, action, diff, entityId])
const nobody: AuditWho["known"] = { by: "service", account: null, user: null, client: null }
/** As it is told with others of its actor and reason. */
const ofActor = (entry: AuditEntry): AuditEntry => ({ ...entry, entityId: others })
/** As it is told with those of all actors. */
const ofTenant = (entry: AuditEntry): AuditEntry => ({ ...ofActor(entry), actor: others, known: nobody })

const sumOf = (all: Iterable<Kept>): number => Array.from(all).reduce((sum, { count }) => sum + count, 0)

export class RefusalLedger {
  private readonly kept = new Map<string, Kept>()
  /** Batches of which nothing is told yet. */
  private readonly out = new Map<string, Out>()
  /** Things told one by one, by group. */
  private readonly named = new Map<string, number>()
  private readonly capacity: number
  private readonly idsMax: number
  private outRows = 0

  constructor(capacity: number, idsMax: number) {
    this.capacity = capacity
    this.idsMax = idsMax
  }

  note(tenantId: string, entry: AuditEntry, now: number): Noted {
    const group = keyOf(tenantId, ofActor(entry))
    const told = this.toldAs(tenantId, entry, group)
    if (told === undefined) return { isRow: true, undo: () => {} }
    const key = keyOf(tenantId, told)
    const before = this.kept.get(key)
    if (before === undefined) {
      this.put(key, { tenantId, group, entry: told, since: now, count: 0, hasRow: true })
      return { isRow: true, undo: () => this.change(key, 0, false) }
    }
    if (!before.hasRow) {
      this.put(key, { ...before, hasRow: true })
      return { isRow: true, undo: () => this.change(key, 0, false) }
    }
    this.put(key, { ...before, count: before.count + 1 })
    return { isRow: false, undo: () => this.change(key, -1) }
  }

  /** By its own name, with others of its actor, or with all of its tenant. Undefined: there is room for none of them. */
  private toldAs(tenantId: string, entry: AuditEntry, group: string): AuditEntry | undefined {
    if (this.kept.has(keyOf(tenantId, entry))) return entry
    const size = this.kept.size + this.outRows
    const isRoom = size < this.capacity
    if (isRoom && (this.named.get(group) ?? 0) < this.idsMax) return entry
    if (isRoom || this.kept.has(group)) return ofActor(entry)
    const all = ofTenant(entry)
    return this.kept.has(keyOf(tenantId, all)) || size < 2 * this.capacity ? all : undefined
  }

  private put(key: string, kept: Kept): void {
    if (!this.kept.has(key) && kept.entry.entityId !== others) this.count(kept.group, 1)
    this.kept.set(key, kept)
  }

  private drop(key: string): void {
    const kept = this.kept.get(key)
    if (kept === undefined) return
    this.kept.delete(key)
    if (kept.entry.entityId !== others) this.count(kept.group, -1)
  }

  private count(group: string, by: number): void {
    const named = (this.named.get(group) ?? 0) + by
    if (named === 0) this.named.delete(group)
    else this.named.set(group, named)
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
      this.drop(key)
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
      this.put(key, { ...(meanwhile ?? part), since: part.since, count })
    }
  }

  private change(key: string, by: number, hasRow?: boolean): void {
    const kept = this.kept.get(key)
    if (kept === undefined) return
    const count = Math.max(0, kept.count + by)
    const after = { ...kept, count, hasRow: hasRow ?? kept.hasRow }
    if (count === 0 && !after.hasRow) this.drop(key)
    else this.put(key, after)
  }
}
