/**
 * What is due, picked: each look reads a bounded number of entries of an index, however many grants there are.
 *
 * While few are due, all of them are read and `FairPick` chooses. A backlog is read by queue: those due
 * longest and those nearest to their final end of each, so that no queue's backlog hides another queue's
 * work. What was chosen is claimed by moving its moment; a row that somebody else holds is left to them.
 */
import { hurriedQueue } from "../../domain/Refresh.ts"
import { rotatorQueue } from "../../domain/Rotating.ts"
import type { CredentialRef } from "../CredentialStore.ts"
import { type DueRow, fairPick, type QueueRoom } from "../FairPick.ts"
import { heldMsMax, pickedMs, rateWindowMs } from "../RefreshStore.ts"
import * as Columns from "./Columns.ts"
import type { TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"
import { turnNumberMax } from "./ProviderTurns.ts"

/** With fewer than this due, all are looked at. */
export const lookMax = 1_000
const queuesAtOnce = 64
const queuesMax = 4_096
const rowsPerQueueMax = 200
const rowsAtOnce = 2_000
/** Entries of the index by urgency that one queue's look passes at most, due or not. */
const examinedMax = 5_000
/** A backlog's queues are listed anew so often. */
const listEveryMs = 2_000

export const dueSql = `SELECT credential_id, refresh_queue, ${Columns.clampedSql("refresh_urgency")}, tenant_id
  FROM credentials FORCE INDEX (ix_credentials_refresh_due)
  WHERE refresh_due_at <= ${Columns.nowSql} ORDER BY refresh_due_at LIMIT ${lookMax}`
/** The subquery's limit keeps the optimizer from reading all of `credentials` at once. */
export const queuesSql = `SELECT q.queue FROM refresh_queues q
  WHERE q.closed_until <= ${Columns.nowSql} AND ${Columns.nowSql} >= (
    SELECT c.refresh_due_at FROM credentials c FORCE INDEX (ix_credentials_refresh_queue_due)
    WHERE c.refresh_queue = q.queue AND c.refresh_due_at IS NOT NULL ORDER BY c.refresh_due_at LIMIT 1)
  LIMIT ${queuesMax}`
export const queueDueSql = `SELECT credential_id, refresh_queue, ${Columns.clampedSql("refresh_urgency")}, tenant_id
  FROM credentials FORCE INDEX (ix_credentials_refresh_queue_due)
  WHERE refresh_queue = ? AND refresh_due_at <= ${Columns.nowSql} ORDER BY refresh_due_at LIMIT ?`
export const queueUrgentSql = `SELECT credential_id, refresh_queue, ${Columns.clampedSql("refresh_urgency")}, tenant_id
  FROM credentials FORCE INDEX (ix_credentials_refresh_queue_urgency)
  WHERE refresh_queue = ? AND refresh_due_at <= ${Columns.nowSql}
  ORDER BY refresh_urgency LIMIT ? ROWS EXAMINED ${examinedMax}`
/** What else stands in the place of a number is nobody's. */
const ownNumberSql = (turn: string): string => `${turn}.lane_turn BETWEEN 1 AND ${turnNumberMax}`
/**
 * Of each lane by its own entries of indexes, however many turns it had: from the first number of the last minute to the
 * last one, and those under way. What the release before took beside is seen when a turn is taken.
 */
export const roomsSql = (marks: string): string => `SELECT q.queue, q.lane, q.closed_until > ${Columns.nowSql},
    q.rate_per_minute, q.parallel,
    1 + (SELECT l.lane_turn FROM provider_turns l FORCE INDEX (uq_provider_turns_number)
      WHERE l.lane = q.lane AND ${ownNumberSql("l")} ORDER BY l.lane_turn DESC LIMIT 1)
    - (SELECT f.lane_turn FROM provider_turns f FORCE INDEX (ix_provider_turns_lane)
      WHERE f.lane = q.lane AND f.taken_at > ${Columns.nowSql} - ${rateWindowMs}
        AND f.taken_at <= ${Columns.nowSql} + ${rateWindowMs} AND ${ownNumberSql("f")} ORDER BY f.taken_at, f.turn_id LIMIT 1),
    (SELECT COUNT(*) FROM provider_turns h
      WHERE h.held_lane = q.lane AND h.held_until > ${Columns.nowSql} AND h.held_until <= ${Columns.nowSql} + ${heldMsMax})
  FROM refresh_queues q WHERE q.queue IN (${marks})`
const takeSql = (marks: string): string => `SELECT credential_id, tenant_id FROM credentials
  WHERE credential_id IN (${marks}) AND refresh_due_at <= ${Columns.momentSql} FOR UPDATE SKIP LOCKED`
const againSql = (marks: string): string =>
  `UPDATE credentials SET refresh_due_at = ${Columns.nowSql} + ? WHERE credential_id IN (${marks})`
/** Only what stands where a pick has put it: what was decided since is not moved. */
const putBackSql = `UPDATE credentials SET refresh_due_at = ${Columns.nowSql} + ?
  WHERE credential_id = ? AND refresh_due_at > ${Columns.nowSql} + ? AND refresh_due_at <= ${Columns.nowSql} + ${pickedMs}`

/** What is due, or where a pick has put it: what was decided since is not moved. A version of null is any. */
const restSql = `UPDATE credentials SET refresh_due_at = ${Columns.nowSql} + ?
  WHERE credential_id = ? AND version = COALESCE(?, version) AND refresh_due_at <= ${Columns.nowSql} + ${pickedMs}`

const dueOf = (row: Row): DueRow => ({
  credentialId: Columns.uuid(row, 0),
  tenantId: Columns.text(row, 3),
  queue: row[1] === null ? "" : Columns.bytes(row, 1).toString("hex"),
  urgency: Columns.wholeOrNull(row, 2) ?? Number.MAX_SAFE_INTEGER
})

const roomOf = (row: Row): QueueRoom => {
  const [isClosed, ratePerMinute, parallel, taken, held] = [2, 3, 4, 5, 6].map((index) => Number(row[index] ?? 0))
  return {
    queue: Columns.bytes(row, 0).toString("hex"),
    lane: Columns.bytes(row, 1).toString("hex"),
    isClosed: isClosed === 1,
    ratePerMinute: ratePerMinute ?? 0,
    parallel: parallel ?? 0,
    taken: taken ?? 0,
    held: held ?? 0
  }
}

export const roomsOf = async (session: Session, queues: ReadonlyArray<string>): Promise<ReadonlyArray<QueueRoom>> =>
  queues.length === 0
    ? []
    : (
        await Columns.rowsIn(
          session,
          roomsSql,
          queues.map((queue) => Buffer.from(queue, "hex"))
        )
      ).map(roomOf)

/** Of a backlog: which queues have work, and who was looked at last. */
export interface Backlog {
  queues: ReadonlyArray<string>
  listedAt: number
  next: number
}
export const noBacklog = (): Backlog => ({ queues: [], listedAt: Number.NEGATIVE_INFINITY, next: 0 })

/** The queues whose turn it is to be looked at: all of them come round. */
const queuesInTurn = async (session: Session, backlog: Backlog, now: number): Promise<ReadonlyArray<string>> => {
  if (now >= backlog.listedAt + listEveryMs) {
    const rows = await session.rows(queuesSql)
    backlog.queues = rows.map((row) => Columns.bytes(row, 0).toString("hex"))
    backlog.listedAt = now
  }
  const { next, queues } = backlog
  const count = Math.min(queuesAtOnce, queues.length)
  backlog.next = queues.length === 0 ? 0 : (next + count) % queues.length
  return Array.from({ length: count }, (_, index) => queues[(next + index) % queues.length]!)
}

const rowsOfQueue = async (session: Session, queue: string, limit: number): Promise<ReadonlyArray<DueRow>> => {
  const id = Buffer.from(queue, "hex")
  const first = (await session.rows(queueDueSql, [id, limit])).map(dueOf)
  if (first.length < limit) return first
  return [...first, ...(await session.rows(queueUrgentSql, [id, limit])).map(dueOf)]
}

const once = (rows: ReadonlyArray<DueRow>): ReadonlyArray<DueRow> =>
  Array.from(new Map(rows.map((row) => [row.credentialId, row])).values())

export interface Wanted {
  readonly limit: number
  /** How many each tenant has under way. */
  readonly underWay?: ReadonlyMap<string, number> | undefined
}

/** Chooses; nothing is locked or changed. `now` paces the listing of queues alone. */
export const choose = async (session: Session, { limit, underWay }: Wanted, backlog: Backlog, now: number) => {
  const oldest = (await session.rows(dueSql)).map(dueOf)
  const seen = Array.from(new Set(oldest.map(({ queue }) => queue))).filter((queue) => queue !== "")
  if (oldest.length < lookMax) return fairPick(oldest, await roomsOf(session, seen), limit, underWay)
  const inTurn = await queuesInTurn(session, backlog, now)
  const turn = Array.from(new Set([hurriedQueue, rotatorQueue, ...seen.slice(0, queuesAtOnce), ...inTurn]))
  const rooms = await roomsOf(session, turn)
  const closed = new Set(rooms.filter(({ isClosed }) => isClosed).map(({ queue }) => queue))
  const open = turn.filter((queue) => !closed.has(queue))
  const each = Math.max(
    limit > rowsPerQueueMax ? limit : 16,
    Math.min(rowsPerQueueMax, Math.floor(rowsAtOnce / Math.max(1, open.length)))
  )
  const rows = await Promise.all(open.map((queue) => rowsOfQueue(session, queue, each)))
  return fairPick(once([...rows.flat(), ...oldest.filter(({ queue }) => queue === "")]), rooms, limit, underWay)
}

export const take = async (
  session: Session,
  chosen: ReadonlyArray<DueRow>,
  againMs: number
): Promise<TransactionResult<ReadonlyArray<CredentialRef>>> => {
  const ids = chosen.map(({ credentialId }) => Columns.uuidBytes(credentialId))
  const rows = await Columns.rowsIn(session, takeSql, ids)
  const tenants = new Map(rows.map((row) => [Columns.uuid(row, 0), Columns.text(row, 1)]))
  const mine = chosen.flatMap(({ credentialId }): ReadonlyArray<CredentialRef> => {
    const tenantId = tenants.get(credentialId)
    return tenantId === undefined ? [] : [{ tenantId, credentialId }]
  })
  const moved = Columns.chunksOf(mine.map(({ credentialId }) => Columns.uuidBytes(credentialId)))
  const last = moved.map((chunk) => ({ sql: againSql(chunk.marks), values: [againMs, ...chunk.values] }))
  return { value: mine, wrote: mine.length > 0, last }
}

export const putBack = (session: Session, credentialId: string, inMs: number): Promise<unknown> =>
  session.run(putBackSql, [inMs, Columns.uuidBytes(credentialId), inMs])

/** Without an end where `forMs` is null: a sum with it is NULL. */
export const rest = (
  session: Session,
  credentialId: string,
  version: number | null,
  forMs: number | null
): Promise<unknown> => session.run(restSql, [forMs, Columns.uuidBytes(credentialId), version])
