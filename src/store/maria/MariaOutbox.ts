/**
 * `Outbox` on MariaDB.
 *
 * The relay's term is one row. What a relay marks as sent, it deletes in a transaction that first
 * locks that row and finds its own term there; a takeover locks the same row, so it comes before or
 * after, and an older relay changes nothing afterwards.
 */
import { Effect, Layer } from "effect"
import { globalTenantId } from "../../domain/Names.ts"
import * as Pieces from "../../observability/Pieces.ts"
import { Outbox, type PendingRevocation, type SetAside, TermLost, termMsMax } from "../Outbox.ts"
import type { OutboxEntry } from "../TenantStore.ts"
import { insertOutboxSql, outboxValues } from "./apply/outbox.ts"
import * as Columns from "./Columns.ts"
import type { DatabaseFailure } from "./DatabaseFailure.ts"
import { asideColumns, asideRowOf } from "./load/aside.ts"
import { outboxRowOf, unsentRows } from "./load/outbox.ts"
import { fromSession, Mariadb, type TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"
import * as Writes from "./Writes.ts"

// ---- the term ---------------------------------------------------------------

const lockTermSql = `SELECT ${Columns.clampedSql("term")}, replica_id, ${Columns.clampedSql("expires_at")}, ${Columns.momentSql}
  FROM relay_term WHERE id = 1 FOR UPDATE`
/** Where somebody else deleted it. With a number that no relay has had. */
const makeTermSql = `INSERT IGNORE INTO relay_term (id, term, replica_id, expires_at) VALUES (1, ${Columns.momentSql}, NULL, 0)`
const writeTermSql = "UPDATE relay_term SET term = ?, replica_id = ?, expires_at = ? WHERE id = 1"
const releaseTermSql = "UPDATE relay_term SET replica_id = NULL, expires_at = 0 WHERE id = 1 AND replica_id = ?"

/** No count of terms comes so far. */
const termNumberMax = 2 ** 52

const claimTerm = async (
  session: Session,
  process: string,
  ttlMs: number
): Promise<TransactionResult<number | null>> => {
  let [row] = await session.rows(lockTermSql)
  if (row === undefined) {
    await session.run(makeTermSql)
    ;[row] = await session.rows(lockTermSql)
  }
  const [term, holder] = [Columns.whole(row ?? [], 0), Columns.textOrNull(row ?? [], 1)]
  const [expiresAt, now] = [Columns.whole(row ?? [], 2), Columns.whole(row ?? [], 3)]
  const isHeld = holder !== null && expiresAt > now && expiresAt <= now + termMsMax
  if (isHeld && holder !== process) return { value: null, wrote: false }
  const follower = term < termNumberMax ? term + 1 : now
  const next = holder === process ? term : follower
  await session.run(writeTermSql, [next, process, now + ttlMs])
  return { value: next, wrote: true }
}

/** Runs `write` when `term` is still the newest; answers whether it was. */
const underTerm = async (
  session: Session,
  term: number,
  write: (session: Session) => Promise<Writes.Written>
): Promise<TransactionResult<boolean>> => {
  const [row] = await session.rows(lockTermSql)
  if (row === undefined || Columns.whole(row, 0) !== term) return { value: false, wrote: false }
  return { value: true, ...(await write(session)) }
}

// ---- rows -------------------------------------------------------------------

const deleteSql = (marks: string): string => `DELETE FROM outbox WHERE id IN (${marks})`
/**
 * Ids that follow each other, every one of which is to go: half the work of a list. Without the limit it would read the row
 * behind the last one, and wait for whoever is writing that.
 */
const deleteRunSql = "DELETE FROM outbox WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"
/** What no stream came to is no position. */
const positionSql = `SELECT IF(sequence <= ${Number.MAX_SAFE_INTEGER}, sequence, NULL) FROM relay_position WHERE stream = ?`
const savePositionSql = `INSERT INTO relay_position (stream, sequence) VALUES (?, ?)
  ON DUPLICATE KEY UPDATE sequence = VALUES(sequence)`
const depthSql = `SELECT (SELECT COUNT(*) FROM outbox), (SELECT ${Columns.clampedSql("created_at")} FROM outbox ORDER BY id LIMIT 1),
    ${Columns.nowSql}, (SELECT COUNT(*) FROM outbox_aside)`

const copyAsideSql = `INSERT IGNORE INTO outbox_aside
    (id, tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at, reason, aside_at)
  SELECT id, tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at, ?, ${Columns.nowSql}
  FROM outbox WHERE id = ?`
const deleteOneSql = "DELETE FROM outbox WHERE id = ?"
const asideSql = `SELECT ${asideColumns} FROM outbox_aside WHERE id > ? AND id <= ${Number.MAX_SAFE_INTEGER} ORDER BY id LIMIT ?`

/** What no sequence of this service is was written by somebody else, and is nobody's revocation. */
const isSequenceSql = `seq <= ${Number.MAX_SAFE_INTEGER}`
/** So far ahead none is committed, unless somebody else wrote the row or the database's clock was put back: it waits for nothing. */
const aheadMsMax = 60_000
const pendingSql = `SELECT tenant_id, seq, targets, ${Columns.nowSql} - GREATEST(LEAST(committed_at, ${Number.MAX_SAFE_INTEGER}), 0)
  FROM pending_revocations WHERE (committed_at <= ${Columns.nowSql} - ? OR committed_at > ${Columns.nowSql} + ?) AND ${isSequenceSql}
  ORDER BY committed_at, tenant_id, seq LIMIT ?`
const pendingOfSql = `SELECT MIN(seq), MAX(seq) FROM pending_revocations WHERE tenant_id = ? AND ${isSequenceSql}`
const inForceSql = "DELETE FROM pending_revocations WHERE tenant_id = ? AND seq = ?"

/** Shorter runs go with the others. */
const runMin = 8

interface Runs {
  readonly runs: ReadonlyArray<{ readonly first: number; readonly count: number }>
  readonly apart: ReadonlyArray<number>
}

/** `ids`, each once, as runs of numbers that follow each other, and what stands apart; both ascending. */
const runsOf = (ids: ReadonlyArray<number>): Runs => {
  const sorted = Array.from(new Set(ids)).sort((a, b) => a - b)
  const runs: Array<{ first: number; count: number }> = []
  const apart: Array<number> = []
  for (let start = 0; start < sorted.length; ) {
    let end = start + 1
    while (end < sorted.length && sorted[end] === sorted[end - 1]! + 1) end++
    if (end - start >= runMin) runs.push({ first: sorted[start]!, count: end - start })
    else apart.push(...sorted.slice(start, end))
    start = end
  }
  return { runs, apart }
}

const moveAside = async (session: Session, rows: ReadonlyArray<SetAside>, told: ReadonlyArray<OutboxEntry>) => {
  const [moment = []] = await session.rows(`SELECT ${Columns.nowSql}`)
  const now = Columns.whole(moment, 0)
  await Promise.all([
    ...rows.flatMap(({ id, reason }) => [session.run(copyAsideSql, [reason, id]), session.run(deleteOneSql, [id])]),
    session.batch(
      insertOutboxSql,
      told.map((entry) => outboxValues(globalTenantId, entry, now, null))
    )
  ])
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Total, too: one row must not keep what others say from being put in force. */
const pendingOf = (row: Row): PendingRevocation => ({
  tenantId: Columns.text(row, 0),
  seq: Columns.whole(row, 1),
  targets: jsonOf(Columns.text(row, 2)),
  ageMs: Math.max(0, Columns.whole(row, 3))
})

const byTenantAndSeq = (
  a: { readonly tenantId: string; readonly seq: number },
  b: { readonly tenantId: string; readonly seq: number }
): number => (a.tenantId === b.tenantId ? a.seq - b.seq : a.tenantId < b.tenantId ? -1 : 1)

// ---- the service ------------------------------------------------------------

const make = Effect.map(Mariadb, (database) => {
  const read = database.query
  const transaction = <A>(operation: string, run: (session: Session) => Promise<TransactionResult<A>>) =>
    database
      .transaction(
        operation,
        (session): Effect.Effect<TransactionResult<A>, DatabaseFailure> => fromSession(() => run(session))
      )
      .pipe(Effect.catchTag("ConstraintBroken", (broken) => Effect.die(broken)))
  const fenced = (operation: string, term: number, write: (session: Session) => Promise<Writes.Written>) =>
    Effect.flatMap(
      transaction(operation, (session) => underTerm(session, term, write)),
      (done) => (done ? Effect.void : Effect.fail(new TermLost({ term })))
    )
  return Outbox.of({
    claimTerm: (process, ttlMs) => transaction("Outbox.claimTerm", (session) => claimTerm(session, process, ttlMs)),
    releaseTerm: (process) =>
      Effect.asVoid(read("Outbox.releaseTerm", (session) => session.run(releaseTermSql, [process]))),
    unsent: (limit) =>
      Effect.flatMap(
        read("Outbox.unsent", (session) => unsentRows(session, limit)),
        (rows) => Pieces.runEvents(rows.length, Pieces.map(rows, outboxRowOf))
      ),
    markSent: (term, ids) =>
      fenced("Outbox.markSent", term, (session) => {
        const { apart, runs } = runsOf(ids)
        return Writes.written(session, (writing) => [
          ...runs.map(({ count, first }) => writing.batch(deleteRunSql, [[first, first + count - 1, count]])),
          ...Columns.chunksOf(apart).map((chunk) => writing.batch(deleteSql(chunk.marks), [chunk.values]))
        ])
      }),
    setAside: (term, rows, told) =>
      fenced("Outbox.setAside", term, async (session) => {
        await moveAside(session, rows, told)
        return { wrote: true }
      }),
    aside: ({ after, limit }) =>
      read("Outbox.aside", async (session) => {
        const found = (await session.rows(asideSql, [Number(after ?? 0), limit + 1])).map(asideRowOf)
        const content = found.slice(0, limit)
        return { content, next: found.length > limit ? String(content.at(-1)?.id) : null }
      }),
    position: (stream) =>
      read("Outbox.position", async (session) => {
        const [row] = await session.rows(positionSql, [stream])
        return row === undefined ? null : Columns.wholeOrNull(row, 0)
      }),
    savePosition: (term, stream, sequence) =>
      fenced("Outbox.savePosition", term, (session) =>
        Writes.written(session, (writing) => [writing.batch(savePositionSql, [[stream, sequence]])])
      ),
    depth: read("Outbox.depth", async (session) => {
      const [row = []] = await session.rows(depthSql)
      const [oldest, now] = [Columns.wholeOrNull(row, 1), Columns.whole(row, 2)]
      return {
        rows: Columns.whole(row, 0),
        aside: Columns.whole(row, 3),
        oldestAgeMs: oldest === null ? 0 : Math.max(0, now - oldest),
        now
      }
    }),
    pendingRevocations: ({ limit, minAgeMs }) =>
      read("Outbox.pendingRevocations", async (session) =>
        (await session.rows(pendingSql, [minAgeMs, aheadMsMax, limit])).map(pendingOf)
      ),
    pendingOf: (tenantId) =>
      read("Outbox.pendingOf", async (session) => {
        const [row = []] = await session.rows(pendingOfSql, [tenantId])
        const oldest = Columns.wholeOrNull(row, 0)
        return oldest === null ? null : { oldest, newest: Columns.whole(row, 1) }
      }),
    markInForce: (revocations) =>
      transaction("Outbox.markInForce", async (session) => {
        const rows = revocations.toSorted(byTenantAndSeq).map(({ seq, tenantId }) => [tenantId, seq])
        if (rows.length === 0) return { value: undefined, wrote: false }
        const written = await Writes.written(session, (writing) => [writing.batch(inForceSql, rows)])
        return { value: undefined, ...written }
      })
  })
})

export const layer: Layer.Layer<Outbox, never, Mariadb> = Layer.effect(Outbox, make)
