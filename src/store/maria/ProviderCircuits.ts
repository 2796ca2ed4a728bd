/** Circuits over turns at providers, as rows. The promises are those of `RefreshStore.ts`. */
import {
  afterFailure,
  type Circuit,
  type CircuitKind,
  circuitKinds,
  circuitState,
  waitFor
} from "../../domain/Circuit.ts"
import type { CircuitChange, CircuitView, Route } from "../RefreshStore.ts"
import * as Columns from "./Columns.ts"
import type { TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"

/** A key of a queue, a lane or a circuit, as its column has it. */
export const bytes = (key: string): Buffer => Buffer.from(key, "hex")

/** For so many milliseconds from now at least. */
export const closeSql = (by: "queue" | "lane" | "circuit"): string =>
  `UPDATE refresh_queues SET closed_until = GREATEST(closed_until, ${Columns.momentSql} + ?) WHERE ${by} = ?`
const openSql = (by: "lane" | "circuit" | "provider"): string =>
  `UPDATE refresh_queues SET closed_until = 0 WHERE ${by} = ?`

const circuitColumns = "failures, opens, open_until, probe_until"
export const circuitsSql = `SELECT ${circuitColumns}, kind, circuit, ${Columns.momentSql} FROM provider_circuits
  WHERE circuit IN (?, ?) AND open_until > 0 ORDER BY circuit FOR UPDATE`
const probeSql = "UPDATE provider_circuits SET probe_until = ? WHERE circuit = ?"
const moveProbeSql = "UPDATE provider_circuits SET probe_until = ? WHERE circuit = ? AND probe_until = ?"
const endProbeSql = "UPDATE provider_circuits SET probe_until = 0 WHERE circuit = ? AND probe_until = ?"
const makeCircuitSql = `INSERT IGNORE INTO provider_circuits (circuit, kind, provider, ${circuitColumns})
  VALUES (?, ?, ?, 0, 0, 0, 0)`
const lockCircuitSql = `SELECT ${circuitColumns}, ${Columns.momentSql} FROM provider_circuits WHERE circuit = ? FOR UPDATE`
const putCircuitSql = `UPDATE provider_circuits SET failures = ?, opens = ?, open_until = ?, probe_until = ?
  WHERE circuit = ?`
const closedSql = "DELETE FROM provider_circuits WHERE circuit = ? RETURNING open_until"
export const anySql = "SELECT 1 FROM provider_circuits WHERE circuit IN (?, ?) LIMIT 1"
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
export const inTheWay = (circuits: ReadonlyArray<Row>, passes: boolean): Barred | undefined => {
  for (const row of passes ? [] : circuits) {
    const now = Columns.whole(row, 6)
    const until = waitFor(circuitOf(row), now)
    if (until === null) continue
    return { of: Columns.literal(row, 4, circuitKinds), until, retryAfterMs: Math.max(1, until - now) }
  }
  return undefined
}

/** Whoever passes a circuit that is half open is the one that tries, until `heldUntil`. */
export const tries = (
  session: Session,
  circuits: ReadonlyArray<Row>,
  heldUntil: number
): ReadonlyArray<Promise<unknown>> =>
  circuits
    // Somebody else is trying: that is theirs to end.
    .filter((row) => circuitOf(row).probeUntil <= Columns.whole(row, 6))
    .map((row) => session.run(probeSql, [heldUntil, Columns.bytes(row, 5)]))

/** Who tries needs longer: what is tried until the first moment is tried until the second. */
export const moveProbe = async (session: Session, route: Route, from: number, to: number): Promise<void> => {
  for (const key of [route.lane, route.circuit]) await session.run(moveProbeSql, [to, bytes(key), from])
}

/** Nobody was asked: the next one tries. The queues that waited for this try alone wait no more. */
export const endProbe = async (session: Session, route: Route, heldUntil: number): Promise<void> => {
  for (const by of ["lane", "circuit"] as const) {
    const key = bytes(route[by])
    if ((await session.run(endProbeSql, [key, heldUntil])) === 0) continue
    await session.run(`${openSql(by)} AND closed_until = ?`, [key, heldUntil])
  }
}

export const fail = async (
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

export const succeed = async (
  session: Session,
  route: Route,
  of: CircuitKind
): Promise<ReadonlyArray<CircuitChange>> => {
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
