/** Turns at providers as rows. The promises are those of `RefreshStore.ts`. */
import {
  busyRetryMs,
  type CircuitChange,
  heldMsMax,
  limitedMsMax,
  type QueueRules,
  type Route,
  rateWindowMs,
  type Turn,
  type TurnRequest,
  type TurnResult
} from "../RefreshStore.ts"
import * as Columns from "./Columns.ts"
import type { TransactionResult } from "./Mariadb.ts"
import type { Session } from "./MariadbConnection.ts"
import * as Circuits from "./ProviderCircuits.ts"
import { bytes, closeSql } from "./ProviderCircuits.ts"

// ---- queues --------------------------------------------------------------------

const queueSql = `INSERT INTO refresh_queues (queue, lane, circuit, provider, rate_per_minute, parallel, closed_until)
  VALUES (?, ?, ?, ?, ?, ?, 0)
  ON DUPLICATE KEY UPDATE lane = VALUES(lane), circuit = VALUES(circuit), provider = VALUES(provider),
    rate_per_minute = VALUES(rate_per_minute), parallel = VALUES(parallel)`
const closeUntilSql = "UPDATE refresh_queues SET closed_until = GREATEST(closed_until, ?) WHERE queue = ?"
/** What this process has committed of queues, so that each turn needs not write it again. */
export type KnownQueues = Map<string, string>
const knownMax = 10_000

const rulesText = ({ circuit, lane, parallel, ratePerMinute }: QueueRules): string =>
  `${lane}/${circuit}/${ratePerMinute}/${parallel}`

export const tellQueue = async (session: Session, request: QueueRules, known: KnownQueues): Promise<void> => {
  const { circuit, lane, parallel, provider, queue, ratePerMinute } = request
  if (known.get(queue) === rulesText(request)) return
  await session.run(queueSql, [bytes(queue), bytes(lane), bytes(circuit), provider, ratePerMinute, parallel])
}

/** What `tellQueue` wrote is committed. Never before: what is rolled back must be written again. */
export const committedQueue = (request: QueueRules, known: KnownQueues): void => {
  if (known.size >= knownMax && !known.has(request.queue)) known.clear()
  known.set(request.queue, rulesText(request))
}

// ---- turns ---------------------------------------------------------------------

const lockLaneSql = "SELECT lane FROM provider_lanes WHERE lane = ? FOR UPDATE"
const makeLaneSql = "INSERT IGNORE INTO provider_lanes (lane) VALUES (?)"
const oldTurnsSql = `DELETE FROM provider_turns WHERE lane = ? AND taken_at <= ${Columns.nowSql} - ${rateWindowMs}
  AND held_until <= ${Columns.nowSql}`
/** Turns that count no more are deleted by every so manieth of a lane: a look passes none of them. */
const oldTurnsEvery = 16
/** No lane comes so far: a number from here on is nobody's, and the turns of its lane are taken without one. */
export const turnNumberMax = 2 ** 52
const lastSql = `(SELECT GREATEST(LEAST(MAX(lane_turn), ${turnNumberMax}), 0) FROM provider_turns WHERE lane = ?)`
/** Of the last minute. What is further off than any clock's step is nobody's. */
const countsSql = `taken_at > ${Columns.nowSql} - ${rateWindowMs} AND taken_at <= ${Columns.nowSql} + ${rateWindowMs}`
/**
 * The turns of a lane are numbered, under its lock, so that a look reads those under way, its last one, and the one that is
 * as many before the next as may be taken in a minute, however many there are: that one has to be a minute old. Of a number
 * that is gone the minute is over. The last column: turns of the last minute without a number, which the release before took.
 */
const lookSql = `SELECT ${Columns.nowSql},
    (SELECT COUNT(*) FROM provider_turns
      WHERE held_lane = ? AND held_until > ${Columns.nowSql} AND held_until <= ${Columns.nowSql} + ${heldMsMax}),
    ${lastSql},
    (SELECT taken_at FROM provider_turns WHERE lane = ? AND lane_turn = ${lastSql} + 1 - ? AND ${countsSql}),
    EXISTS (SELECT 1 FROM provider_turns WHERE lane = ? AND lane_turn IS NULL AND ${countsSql})`
/** The same one among all, numbered or not: for as long as replicas of the release before take turns beside these. */
const nthLastSql = `SELECT taken_at FROM provider_turns WHERE lane = ? AND ${countsSql} ORDER BY taken_at DESC LIMIT 1 OFFSET ?`
const takeSql = `INSERT INTO provider_turns (lane, taken_at, held_until, lane_turn) VALUES (?, ${Columns.momentSql}, ?, ?)
  RETURNING turn_id`
const heldSql = "SELECT held_until FROM provider_turns WHERE turn_id = ? FOR UPDATE"
const keepTurnSql = `UPDATE provider_turns SET held_until = GREATEST(held_until, ${Columns.momentSql} + ?)
  WHERE turn_id = ? AND lane = ? AND held_until > ${Columns.momentSql}`
const endTurnSql = "UPDATE provider_turns SET held_until = 0 WHERE turn_id = ?"

export const takeTurn = async (
  session: Session,
  request: TurnRequest,
  known: KnownQueues
): Promise<TransactionResult<Turn>> => {
  const { holdMs, lane, parallel, passes, queue, ratePerMinute } = request
  const id = bytes(lane)
  // The lock is the first statement of the flight: what is behind it is read under it. All of a lane wait for it.
  const look = () =>
    Promise.all([
      session.rows(lockLaneSql, [id]),
      session.rows(lookSql, [id, id, id, id, ratePerMinute, id]),
      session.rows(Circuits.circuitsSql, [id, bytes(request.circuit)])
    ])
  let [locked, [row = []], circuits] = await look()
  if (locked.length === 0) {
    await session.run(makeLaneSql, [id])
    ;[locked, [row = []], circuits] = await look()
  }
  const [now = 0, held = 0, last = 0, , unnumbered = 0] = row.map((value) => Number(value ?? 0))
  const isNumbered = last < turnNumberMax
  const seesAll = unnumbered > 0 || !isNumbered
  const [nth = [null]] = seesAll ? await session.rows(nthLastSql, [id, ratePerMinute - 1]) : [[row[3] ?? null]]
  const countsUntil = (Columns.wholeOrNull(nth, 0) ?? Number.NEGATIVE_INFINITY) + rateWindowMs
  const told = () => tellQueue(session, request, known)
  const retryAfterMs = countsUntil - now
  if (retryAfterMs > 0) {
    await Promise.all([told(), session.run(closeSql("queue"), [retryAfterMs, bytes(queue)])])
    return { value: { _tag: "Full", retryAfterMs }, wrote: true }
  }
  if (held >= parallel) {
    await told()
    return { value: { _tag: "Full", retryAfterMs: busyRetryMs }, wrote: true }
  }
  const barred = Circuits.inTheWay(circuits, passes)
  if (barred !== undefined) {
    await Promise.all([told(), session.run(closeUntilSql, [barred.until, bytes(queue)])])
    return { value: { _tag: "Open", of: barred.of, retryAfterMs: barred.retryAfterMs }, wrote: true }
  }
  // One moment for the turn and for what it tries, so that each is known by the other.
  const heldUntil = now + holdMs
  const others = [told(), ...Circuits.tries(session, circuits, heldUntil)]
  if ((last + 1) % oldTurnsEvery === 0 || !isNumbered) others.push(session.run(oldTurnsSql, [id]))
  await Promise.all(others)
  return {
    last: [{ sql: takeSql, values: [id, heldUntil, isNumbered ? last + 1 : null] }],
    valueFrom: ([made = []]) => ({ _tag: "Taken", turnId: Columns.whole(made, 0) })
  }
}

/** Under the lock of the lane: who counts its turns meanwhile would not see that this one goes on. */
export const keepTurn = async (
  session: Session,
  turnId: number,
  route: Route,
  forMs: number
): Promise<TransactionResult<boolean>> => {
  const lane = route.lane
  const [, [before]] = await Promise.all([session.rows(lockLaneSql, [bytes(lane)]), session.rows(heldSql, [turnId])])
  const kept = (await session.run(keepTurnSql, [forMs, turnId, bytes(lane)])) > 0
  const [after] = kept ? await session.rows(heldSql, [turnId]) : []
  if (before !== undefined && after !== undefined) {
    await Circuits.moveProbe(session, route, Columns.whole(before, 0), Columns.whole(after, 0))
  }
  return { value: kept, wrote: kept }
}

/**
 * One that ended well, where nothing was counted against its provider or its client: as it mostly is. False: something
 * was, and `endTurn` has to say what becomes of it. Each statement commits by itself.
 */
export const endTurnWell = async (session: Session, turnId: number, { circuit, lane }: Route): Promise<boolean> => {
  const [, counted] = await Promise.all([
    session.run(endTurnSql, [turnId]),
    session.rows(Circuits.anySql, [bytes(circuit), bytes(lane)])
  ])
  return counted.length === 0
}

export const endTurn = async (
  session: Session,
  turnId: number,
  route: Route,
  result: TurnResult,
  chance: number
): Promise<TransactionResult<ReadonlyArray<CircuitChange>>> => {
  const changes: Array<CircuitChange> = []
  switch (result._tag) {
    case "none": {
      const [[held]] = await Promise.all([session.rows(heldSql, [turnId]), session.run(endTurnSql, [turnId])])
      if (held !== undefined) await Circuits.endProbe(session, route, Columns.whole(held, 0))
      break
    }
    case "ok": {
      const [, ...both] = await Promise.all([
        session.run(endTurnSql, [turnId]),
        Circuits.succeed(session, route, "client"),
        Circuits.succeed(session, route, "provider")
      ])
      changes.push(...both.flat())
      break
    }
    case "limited": {
      const [, , closed] = await Promise.all([
        session.run(endTurnSql, [turnId]),
        session.run(closeSql("lane"), [Math.min(result.retryAfterMs, limitedMsMax), bytes(route.lane)]),
        Circuits.succeed(session, route, "provider")
      ])
      changes.push(...closed)
      break
    }
    case "provider":
      await session.run(endTurnSql, [turnId])
      changes.push(...(await Circuits.fail(session, route, "provider", chance)))
      break
    case "client":
      await session.run(endTurnSql, [turnId])
      changes.push(
        ...(await Circuits.fail(session, route, "client", chance)),
        ...(await Circuits.succeed(session, route, "provider"))
      )
      break
  }
  return { value: changes, wrote: true }
}
