/** Turns at providers, and the circuits over them, as rows. The promises are those of `RefreshStore.ts`. */
import {
  afterFailure,
  type Circuit,
  type CircuitKind,
  circuitKinds,
  circuitState,
  waitFor
} from "../../domain/Circuit.ts"
import {
  busyRetryMs,
  type CircuitChange,
  type CircuitView,
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
import type { Row, Session } from "./MariadbConnection.ts"

const bytes = (key: string): Buffer => Buffer.from(key, "hex")

// ---- queues --------------------------------------------------------------------

const queueSql = `INSERT INTO refresh_queues (queue, lane, circuit, provider, rate_per_minute, parallel, closed_until)
  VALUES (?, ?, ?, ?, ?, ?, 0)
  ON DUPLICATE KEY UPDATE lane = VALUES(lane), circuit = VALUES(circuit), provider = VALUES(provider),
    rate_per_minute = VALUES(rate_per_minute), parallel = VALUES(parallel)`
const closeSql = (by: "queue" | "lane" | "circuit"): string =>
  `UPDATE refresh_queues SET closed_until = GREATEST(closed_until, ${Columns.momentSql} + ?) WHERE ${by} = ?`
const closeUntilSql = "UPDATE refresh_queues SET closed_until = GREATEST(closed_until, ?) WHERE queue = ?"
const openSql = (by: "lane" | "circuit" | "provider"): string =>
  `UPDATE refresh_queues SET closed_until = 0 WHERE ${by} = ?`

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

// ---- circuits ------------------------------------------------------------------

const circuitColumns = "failures, opens, open_until, probe_until"
const circuitsSql = `SELECT ${circuitColumns}, kind, circuit, ${Columns.momentSql} FROM provider_circuits
  WHERE circuit IN (?, ?) AND open_until > 0 ORDER BY circuit FOR UPDATE`
const probeSql = "UPDATE provider_circuits SET probe_until = ? WHERE circuit = ?"
const endProbeSql = "UPDATE provider_circuits SET probe_until = 0 WHERE circuit = ? AND probe_until = ?"
const makeCircuitSql = `INSERT IGNORE INTO provider_circuits (circuit, kind, provider, ${circuitColumns})
  VALUES (?, ?, ?, 0, 0, 0, 0)`
const lockCircuitSql = `SELECT ${circuitColumns}, ${Columns.momentSql} FROM provider_circuits WHERE circuit = ? FOR UPDATE`
const putCircuitSql = `UPDATE provider_circuits SET failures = ?, opens = ?, open_until = ?, probe_until = ?
  WHERE circuit = ?`
const closedSql = "DELETE FROM provider_circuits WHERE circuit = ? RETURNING open_until"
const viewSql = `SELECT ${circuitColumns}, kind, circuit, ${Columns.momentSql} FROM provider_circuits
  WHERE provider = ? AND open_until > 0 LIMIT 100`
const forgetSql = "DELETE FROM provider_circuits WHERE provider = ?"

const circuitOf = (row: Row): Circuit => ({
  failures: Columns.whole(row, 0),
  opens: Columns.whole(row, 1),
  openUntil: Columns.whole(row, 2),
  probeUntil: Columns.whole(row, 3)
})

interface Barred {
  readonly of: CircuitKind
  readonly until: number
  readonly retryAfterMs: number
}

/** Which of the circuits that are not closed is in the way. */
const inTheWay = (circuits: ReadonlyArray<Row>, passes: boolean): Barred | undefined => {
  for (const row of passes ? [] : circuits) {
    const now = Columns.whole(row, 6)
    const until = waitFor(circuitOf(row), now)
    if (until === null) continue
    return { of: Columns.literal(row, 4, circuitKinds), until, retryAfterMs: Math.max(1, until - now) }
  }
  return undefined
}

/** Whoever passes a circuit that is half open is the one that tries, until `heldUntil`. */
const tries = (session: Session, circuits: ReadonlyArray<Row>, heldUntil: number): ReadonlyArray<Promise<unknown>> =>
  circuits
    // Somebody else is trying: that is theirs to end.
    .filter((row) => circuitOf(row).probeUntil <= Columns.whole(row, 6))
    .map((row) => session.run(probeSql, [heldUntil, Columns.bytes(row, 5)]))

/** Nobody was asked: the next one tries. The queues that waited for this try alone wait no more. */
const endProbe = async (session: Session, route: Route, heldUntil: number): Promise<void> => {
  for (const by of ["lane", "circuit"] as const) {
    const key = bytes(route[by])
    if ((await session.run(endProbeSql, [key, heldUntil])) === 0) continue
    await session.run(`${openSql(by)} AND closed_until = ?`, [key, heldUntil])
  }
}

const fail = async (
  session: Session,
  route: Route,
  of: CircuitKind,
  chance: number
): Promise<ReadonlyArray<CircuitChange>> => {
  const key = bytes(of === "provider" ? route.circuit : route.lane)
  await session.run(makeCircuitSql, [key, circuitKinds.indexOf(of), route.provider])
  const [row = []] = await session.rows(lockCircuitSql, [key])
  const before = circuitOf(row)
  const now = Columns.whole(row, 4)
  const after = afterFailure(before, of, now, chance)
  await session.run(putCircuitSql, [after.failures, after.opens, after.openUntil, after.probeUntil, key])
  if (after.openUntil === before.openUntil) return []
  const forMs = after.openUntil - now
  await session.run(closeSql(of === "provider" ? "circuit" : "lane"), [forMs, key])
  return [{ of, to: "open", forMs }]
}

const succeed = async (session: Session, route: Route, of: CircuitKind): Promise<ReadonlyArray<CircuitChange>> => {
  const key = bytes(of === "provider" ? route.circuit : route.lane)
  const [row] = await session.rows(closedSql, [key])
  if (row === undefined || Columns.whole(row, 0) === 0) return []
  await session.run(openSql(of === "provider" ? "circuit" : "lane"), [key])
  return [{ of, to: "closed", forMs: 0 }]
}

export const circuits = async (session: Session, provider: string): Promise<ReadonlyArray<CircuitView>> =>
  (await session.rows(viewSql, [provider])).flatMap((row) => {
    const circuit = circuitOf(row)
    const state = circuitState(circuit, Columns.whole(row, 6))
    return state === "closed" ? [] : [{ of: Columns.literal(row, 4, circuitKinds), state, until: circuit.openUntil }]
  })

export const forgetCircuits = async (session: Session, provider: string): Promise<TransactionResult<void>> => {
  await session.run(forgetSql, [provider])
  await session.run(openSql("provider"), [provider])
  return { value: undefined, wrote: true }
}

// ---- turns ---------------------------------------------------------------------

const lockLaneSql = "SELECT lane FROM provider_lanes WHERE lane = ? FOR UPDATE"
const makeLaneSql = "INSERT IGNORE INTO provider_lanes (lane) VALUES (?)"
const oldTurnsSql = `DELETE FROM provider_turns WHERE lane = ? AND taken_at <= ${Columns.momentSql} - ${rateWindowMs}
  AND held_until <= ${Columns.momentSql}`
const countSql = `SELECT ${Columns.momentSql}, COALESCE(SUM(taken_at > ${Columns.momentSql} - ${rateWindowMs}), 0),
    COALESCE(SUM(held_until > ${Columns.momentSql}), 0),
    MIN(IF(taken_at > ${Columns.momentSql} - ${rateWindowMs}, taken_at, NULL))
  FROM provider_turns WHERE lane = ?`
const takeSql = `INSERT INTO provider_turns (lane, taken_at, held_until) VALUES (?, ${Columns.momentSql}, ?)
  RETURNING turn_id`
const heldSql = "SELECT held_until FROM provider_turns WHERE turn_id = ? FOR UPDATE"
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
      session.rows(countSql, [id]),
      session.rows(circuitsSql, [id, bytes(request.circuit)])
    ])
  let [locked, [row = []], circuits] = await look()
  if (locked.length === 0) {
    await session.run(makeLaneSql, [id])
    ;[locked, [row = []], circuits] = await look()
  }
  const [now, taken, held] = [0, 1, 2].map((index) => Number(row[index] ?? 0)) as [number, number, number]
  const told = () => tellQueue(session, request, known)
  if (taken >= ratePerMinute) {
    const oldest = Columns.wholeOrNull(row, 3) ?? now
    const retryAfterMs = Math.max(1, oldest + rateWindowMs - now)
    await Promise.all([told(), session.run(closeSql("queue"), [retryAfterMs, bytes(queue)])])
    return { value: { _tag: "Full", retryAfterMs }, wrote: true }
  }
  if (held >= parallel) {
    await told()
    return { value: { _tag: "Full", retryAfterMs: busyRetryMs }, wrote: true }
  }
  const barred = inTheWay(circuits, passes)
  if (barred !== undefined) {
    await Promise.all([told(), session.run(closeUntilSql, [barred.until, bytes(queue)])])
    return { value: { _tag: "Open", of: barred.of, retryAfterMs: barred.retryAfterMs }, wrote: true }
  }
  // One moment for the turn and for what it tries, so that each is known by the other.
  const heldUntil = now + holdMs
  const [made] = await Promise.all([
    session.rows(takeSql, [id, heldUntil]),
    session.run(oldTurnsSql, [id]),
    told(),
    ...tries(session, circuits, heldUntil)
  ])
  return { value: { _tag: "Taken", turnId: Number(made[0]?.[0]) }, wrote: true }
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
      if (held !== undefined) await endProbe(session, route, Columns.whole(held, 0))
      break
    }
    case "ok": {
      const [, ...both] = await Promise.all([
        session.run(endTurnSql, [turnId]),
        succeed(session, route, "client"),
        succeed(session, route, "provider")
      ])
      changes.push(...both.flat())
      break
    }
    case "limited": {
      const [, , closed] = await Promise.all([
        session.run(endTurnSql, [turnId]),
        session.run(closeSql("lane"), [Math.min(result.retryAfterMs, limitedMsMax), bytes(route.lane)]),
        succeed(session, route, "provider")
      ])
      changes.push(...closed)
      break
    }
    case "provider":
      await session.run(endTurnSql, [turnId])
      changes.push(...(await fail(session, route, "provider", chance)))
      break
    case "client":
      await session.run(endTurnSql, [turnId])
      changes.push(...(await fail(session, route, "client", chance)), ...(await succeed(session, route, "provider")))
      break
  }
  return { value: changes, wrote: true }
}
