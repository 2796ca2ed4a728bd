/** `Outbox` in memory; its clock is Effect's. */
import { Clock, Effect, Layer } from "effect"
import { globalTenantId } from "../../domain/Names.ts"
import { Outbox, type OutboxRow, TermLost, termMsMax } from "../Outbox.ts"
import { MemoryDatabase, type MemoryTables, pair } from "./MemoryDatabase.ts"
import { asideRowOf } from "./memoryAside.ts"

const claimTerm = (tables: MemoryTables, process: string, ttlMs: number, now: number): number | null => {
  const { relay } = tables
  const isHeld = relay.process !== null && relay.expiresAt > now && relay.expiresAt <= now + termMsMax
  if (isHeld && relay.process !== process) return null
  if (relay.process !== process) relay.term += 1
  relay.process = process
  relay.expiresAt = now + ttlMs
  return relay.term
}

/** Of a tenant with a row that is held, the rows up to that one and none behind it. */
const unsent = (tables: MemoryTables, limit: number): ReadonlyArray<OutboxRow> => {
  const rows: Array<OutboxRow> = []
  const stopped = new Set<string>()
  for (const { createdAt, entry, id, revocationSeq, tenantId } of tables.outbox.values()) {
    if (rows.length >= limit) break
    if (stopped.has(tenantId)) continue
    const held = revocationSeq !== null && tables.pending.has(pair(tenantId, revocationSeq))
    if (held) stopped.add(tenantId)
    const { afterRevocation: _, ...message } = entry
    rows.push({ ...message, id, tenantId, createdAt, held })
  }
  return rows
}

const make = Effect.map(MemoryDatabase, (tables) => {
  const step = <A>(run: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, run)
  const fenced = (term: number, write: () => void): Effect.Effect<void, TermLost> =>
    Effect.suspend(() => (tables.relay.term === term ? Effect.sync(write) : Effect.fail(new TermLost({ term }))))
  return Outbox.of({
    claimTerm: (process, ttlMs) => step((now) => claimTerm(tables, process, ttlMs, now)),
    releaseTerm: (process) =>
      Effect.sync(() => {
        if (tables.relay.process !== process) return
        tables.relay.process = null
        tables.relay.expiresAt = 0
      }),
    unsent: (limit) => Effect.sync(() => unsent(tables, limit)),
    markSent: (term, ids) =>
      fenced(term, () => {
        for (const id of ids) tables.outbox.delete(id)
      }),
    setAside: (term, rows, told) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        fenced(term, () => {
          for (const { id, reason } of rows) {
            const row = tables.outbox.get(id)
            if (row !== undefined) tables.aside.set(id, { row, reason, asideAt: now })
            tables.outbox.delete(id)
          }
          for (const entry of told) {
            const id = ++tables.outboxLastId
            tables.outbox.set(id, { id, tenantId: globalTenantId, createdAt: now, entry, revocationSeq: null })
          }
        })
      ),
    aside: ({ after, limit }) =>
      Effect.sync(() => {
        const found = Array.from(tables.aside.values(), asideRowOf).filter(({ id }) => id > Number(after ?? 0))
        const content = found.toSorted((a, b) => a.id - b.id).slice(0, limit)
        return { content, next: found.length > limit ? String(content.at(-1)?.id) : null }
      }),
    position: (stream) => Effect.sync(() => tables.relayPositions.get(stream) ?? null),
    savePosition: (term, stream, sequence) =>
      fenced(term, () => {
        tables.relayPositions.set(stream, sequence)
      }),
    depth: step((now) => {
      const [oldest] = tables.outbox.values()
      return {
        rows: tables.outbox.size,
        aside: tables.aside.size,
        oldestAgeMs: oldest === undefined ? 0 : Math.max(0, now - oldest.createdAt),
        now
      }
    }),
    pendingRevocations: ({ limit, minAgeMs }) =>
      step((now) =>
        Array.from(tables.pending.values())
          .filter((pending) => now - pending.committedAt >= minAgeMs)
          .toSorted((a, b) => a.committedAt - b.committedAt || a.seq - b.seq)
          .slice(0, limit)
          .map(({ committedAt, ...revocation }) => ({ ...revocation, ageMs: Math.max(0, now - committedAt) }))
      ),
    pendingOf: (tenantId) =>
      Effect.sync(() => {
        const seqs = Array.from(tables.pending.values()).flatMap((one) => (one.tenantId === tenantId ? [one.seq] : []))
        return seqs.length === 0 ? null : { oldest: Math.min(...seqs), newest: Math.max(...seqs) }
      }),
    markInForce: (revocations) =>
      Effect.sync(() => {
        for (const { seq, tenantId } of revocations) tables.pending.delete(pair(tenantId, seq))
      })
  })
})

export const layer: Layer.Layer<Outbox, never, MemoryDatabase> = Layer.effect(Outbox, make)
