/** A row of `revoke_all`, the statements that write it, and what a transaction loads of it. */
import { type Principal, servicePrincipal } from "../../domain/Principal.ts"
import type { TokenPopulation } from "../../domain/TokenPopulation.ts"
import { keptForMs, type RevokeAll, type RevokeAllLoaded } from "../RevokeAll.ts"
import * as Columns from "./Columns.ts"
import type { Row, Session } from "./MariadbConnection.ts"

const columns = `tenant_id, operation_id, population, reason, asker, correlation_id, matched, at_least, done, street,
  after_token_id, started_at, finished_at, mac`
const findSql = (marks: string): string =>
  `SELECT ${columns} FROM revoke_all WHERE tenant_id = ? AND operation_id IN (${marks})`
const openOfSql = "SELECT COUNT(*) FROM revoke_all WHERE tenant_id = ? AND finished_at IS NULL"
const numbers = new Set(["matched", "done", "started_at", "finished_at"])
/** Of all tenants: no number of one ends the reading. */
const openColumns = columns
  .split(/,\s+/u)
  .map((column) => (numbers.has(column) ? Columns.clampedSql(column) : column))
  .join(", ")
export const openSql = `SELECT ${openColumns} FROM revoke_all FORCE INDEX (ix_revoke_all_open)
  WHERE open_since > 0 ORDER BY open_since LIMIT ?`
const dropSql = "DELETE FROM revoke_all WHERE tenant_id = ?"
const dropOldSql = "DELETE FROM revoke_all WHERE tenant_id = ? AND finished_at < ?"
const saveSql = `INSERT INTO revoke_all (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON DUPLICATE KEY UPDATE matched = VALUES(matched), done = VALUES(done), street = VALUES(street),
    after_token_id = VALUES(after_token_id), finished_at = VALUES(finished_at), mac = VALUES(mac)`

const rowOf = (row: Row): RevokeAll => ({
  tenantId: Columns.text(row, 0),
  operationId: Columns.uuid(row, 1),
  population: JSON.parse(Columns.text(row, 2)) as TokenPopulation,
  reason: Columns.textOrNull(row, 3),
  asker: JSON.parse(Columns.text(row, 4)) as Principal,
  correlationId: Columns.text(row, 5),
  matched: Columns.whole(row, 6),
  isAtLeast: Columns.whole(row, 7) === 1,
  done: Columns.whole(row, 8),
  place: { street: Columns.whole(row, 9), after: row[10] === null ? null : Columns.uuid(row, 10) },
  startedAt: Columns.whole(row, 11),
  finishedAt: Columns.wholeOrNull(row, 12),
  ...Columns.macOf(row, 13)
})

/** Of a row that this service cannot have written: without a tag nothing goes on by it, and nobody of it is named. */
const changedOf = (row: Row): RevokeAll => ({
  tenantId: Columns.text(row, 0),
  operationId: Columns.uuid(row, 1),
  population: { applications: [], endpointIds: [], createdBefore: 0, createdBy: null, unusedSince: null },
  reason: null,
  asker: servicePrincipal("nobody"),
  correlationId: "",
  matched: 0,
  isAtLeast: false,
  done: 0,
  place: { street: 0, after: null },
  startedAt: 0,
  finishedAt: null
})
/** Total: one that somebody else wrote must not keep what others asked for from being revoked. */
const readOf = (row: Row): RevokeAll => {
  try {
    return rowOf(row)
  } catch {
    return changedOf(row)
  }
}

export const findRevokeAlls = async (session: Session, tenantId: string, operationIds: ReadonlyArray<string>) =>
  (await Columns.rowsIn(session, findSql, Columns.uuidBytesOf(operationIds), [tenantId])).map(rowOf)

export const openRevokeAlls = async (session: Session, limit: number) =>
  (await session.rows(openSql, [limit])).map(readOf)

export const dropRevokeAlls = (session: Session, tenantId: string) => session.run(dropSql, [tenantId])

export const loadRevokeAlls = async (
  session: Session,
  tenantId: string,
  operationIds: ReadonlyArray<string> | undefined
): Promise<RevokeAllLoaded | undefined> => {
  if (operationIds === undefined) return undefined
  const [found, [open]] = await Promise.all([
    findRevokeAlls(session, tenantId, operationIds),
    session.rows(openOfSql, [tenantId])
  ])
  return { found: new Map(found.map((one) => [one.operationId, one])), open: Columns.whole(open ?? [], 0) }
}

export const applyRevokeAlls = (
  session: Session,
  tenantId: string,
  written: ReadonlyArray<RevokeAll> = [],
  now: number
): ReadonlyArray<Promise<unknown>> => {
  if (written.length === 0) return []
  const values = written.map((one) => [
    tenantId,
    Columns.uuidBytes(one.operationId),
    JSON.stringify(one.population),
    one.reason,
    JSON.stringify(one.asker),
    one.correlationId,
    one.matched,
    one.isAtLeast ? 1 : 0,
    one.done,
    one.place.street,
    one.place.after === null ? null : Columns.uuidBytes(one.place.after),
    one.startedAt,
    one.finishedAt,
    Columns.macValue(one.mac)
  ])
  return [session.batch(saveSql, values), session.run(dropOldSql, [tenantId, now - keptForMs])]
}
