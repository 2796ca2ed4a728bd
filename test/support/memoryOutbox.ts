/**
 * An outbox in memory for tests of the relay, with a hand to write rows and to hold them.
 *
 * Terms follow the test's own clock, so a test decides when one is over.
 */
import { Effect, Layer } from "effect"
import { Outbox, type OutboxRow, type PendingRevocation, TermLost } from "../../src/store/Outbox.ts"

export interface MemoryOutbox {
  readonly layer: Layer.Layer<Outbox>
  /** Writes a row; the id is the next one unless given. */
  readonly write: (row: Partial<OutboxRow> & { readonly eventId: string }) => void
  readonly rows: () => ReadonlyArray<OutboxRow>
  readonly release: (tenantId: string) => void
  readonly pending: Array<PendingRevocation>
  /** Ends the running term, as if its time had passed. */
  readonly expireTerm: () => void
  readonly positions: Map<string, number>
  /** Every event id that was marked, in order; one that was marked twice stands here twice. */
  readonly marked: Array<string>
  /** What was set aside, and why. */
  readonly aside: Array<{ readonly row: OutboxRow; readonly reason: string }>
}

export const memoryOutbox = (): MemoryOutbox => {
  let rows: Array<OutboxRow> = []
  let nextId = 1
  let term = { number: 0, holder: "", isOver: true }
  const positions = new Map<string, number>()
  const pending: Array<PendingRevocation> = []
  const marked: Array<string> = []
  const aside: Array<{ readonly row: OutboxRow; readonly reason: string }> = []
  const guarded = <A>(number: number, change: () => A) =>
    Effect.suspend(() => (number === term.number ? Effect.sync(change) : Effect.fail(new TermLost({ term: number }))))

  const outbox = Outbox.of({
    claimTerm: (process) =>
      Effect.sync(() => {
        if (term.holder === process) term = { ...term, isOver: false }
        else if (term.isOver) term = { number: term.number + 1, holder: process, isOver: false }
        else return null
        return term.number
      }),
    releaseTerm: (process) =>
      Effect.sync(() => {
        if (term.holder === process) term = { ...term, holder: "", isOver: true }
      }),
    setAside: (number, gone, told) =>
      guarded(number, () => {
        for (const { id, reason } of gone) {
          const row = rows.find((one) => one.id === id)
          if (row !== undefined) aside.push({ row, reason })
        }
        rows = rows.filter(({ id }) => !gone.some((one) => one.id === id))
        for (const { afterRevocation: _, ...entry } of told) {
          rows.push({ ...entry, id: nextId++, tenantId: "global", createdAt: 0, held: false })
        }
      }),
    aside: () => Effect.succeed({ content: [], next: null }),
    unsent: (limit) => Effect.sync(() => rows.toSorted((a, b) => a.id - b.id).slice(0, limit)),
    markSent: (number, ids) =>
      guarded(number, () => {
        const gone = new Set(ids)
        marked.push(...rows.filter(({ id }) => gone.has(id)).map(({ eventId }) => eventId))
        rows = rows.filter(({ id }) => !gone.has(id))
      }),
    position: (stream) => Effect.sync(() => positions.get(stream) ?? null),
    savePosition: (number, stream, sequence) => guarded(number, () => void positions.set(stream, sequence)),
    depth: Effect.sync(() => ({ rows: rows.length, aside: aside.length, oldestAgeMs: 0, now: 0 })),
    pendingRevocations: ({ limit, minAgeMs }) =>
      Effect.sync(() => pending.filter(({ ageMs }) => ageMs >= minAgeMs).slice(0, limit)),
    pendingOf: (tenantId) =>
      Effect.sync(() => {
        const seqs = pending.flatMap((one) => (one.tenantId === tenantId ? [one.seq] : []))
        return seqs.length === 0 ? null : { oldest: Math.min(...seqs), newest: Math.max(...seqs) }
      }),
    markInForce: (revocations) =>
      Effect.sync(() => {
        for (const { seq, tenantId } of revocations) {
          const at = pending.findIndex((one) => one.tenantId === tenantId && one.seq === seq)
          if (at !== -1) pending.splice(at, 1)
        }
      })
  })

  return {
    layer: Layer.succeed(Outbox, outbox),
    write: (row) => {
      const id = row.id ?? nextId
      nextId = Math.max(nextId, id) + 1
      const tenantId = row.tenantId ?? "acme"
      rows.push({
        id,
        tenantId,
        stream: "events",
        subject:
          row.stream === "revocations"
            ? "kaa.v1.events.cm.endpoint.token.revoked"
            : `cm.events.v1.${tenantId}.token.provisioned`,
        entityKey: row.eventId.split("-")[0]!,
        headers: { "ce-type": "token.provisioned" },
        payload: new TextEncoder().encode(row.eventId),
        createdAt: id,
        held: false,
        ...row
      })
    },
    rows: () => rows,
    release: (tenantId) => {
      rows = rows.map((row) => (row.tenantId === tenantId ? { ...row, held: false } : row))
    },
    pending,
    expireTerm: () => {
      term = { ...term, isOver: true }
    },
    positions,
    marked,
    aside
  }
}
