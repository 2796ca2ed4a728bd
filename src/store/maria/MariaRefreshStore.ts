/** `RefreshStore` on MariaDB, each look by an index. The promises are those of `RefreshStore.ts`. */
import { Effect, Layer } from "effect"
import type { CredentialVersion } from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import type { CredentialRef } from "../CredentialStore.ts"
import {
  providersMax,
  RefreshStore,
  rateWindowMs,
  type StoredProvider,
  type Turn,
  type TurnRequest
} from "../RefreshStore.ts"
import type { StoreUnavailable } from "../StoreError.ts"
import * as Columns from "./Columns.ts"
import {
  credentialColumnCount,
  credentialColumns,
  credentialOf,
  providerColumns,
  providerOf,
  versionColumns,
  versionOf,
  versionValues
} from "./CredentialRow.ts"
import type { DatabaseFailure } from "./DatabaseFailure.ts"
import { type ConstraintBroken, fromSession, Mariadb, type TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"

// ---- what is due ---------------------------------------------------------------

/** Nearer than this to its final end, a grant goes before all others. */
const finalSoonMs = 3 * 86_400_000
const finalFirstSql = `SELECT tenant_id, credential_id, refresh FROM credentials FORCE INDEX (ix_credentials_refresh_final)
  WHERE refresh_final_at <= ${Columns.nowSql} + ${finalSoonMs} AND refresh_due_at <= ${Columns.nowSql}
  ORDER BY refresh_final_at LIMIT ? FOR UPDATE SKIP LOCKED`
const dueSql = `SELECT tenant_id, credential_id, refresh FROM credentials FORCE INDEX (ix_credentials_refresh_due)
  WHERE refresh_due_at <= ${Columns.nowSql} ORDER BY refresh_due_at LIMIT ? FOR UPDATE SKIP LOCKED`
const againSql = (marks: string): string =>
  `UPDATE credentials SET refresh_due_at = ${Columns.nowSql} + ? WHERE credential_id IN (${marks})`

interface Found extends CredentialRef {
  readonly lane: string
}
const foundOf = (row: Row): Found => ({
  tenantId: Columns.text(row, 0),
  credentialId: Columns.uuid(row, 1),
  lane: row[2] === null ? "" : (JSON.parse(Columns.text(row, 2)) as { readonly lane: string }).lane
})

const pick = async (session: Session, limit: number, againMs: number, closed: ReadonlyArray<string>) => {
  const first = (await session.rows(finalFirstSql, [limit])).map(foundOf)
  const rest = first.length < limit ? (await session.rows(dueSql, [limit])).map(foundOf) : []
  const all = Array.from(new Map([...first, ...rest].map((one) => [one.credentialId, one])).values()).slice(0, limit)
  for (const chunk of Columns.chunksOf(Columns.uuidBytesOf(all.map(({ credentialId }) => credentialId)))) {
    await session.run(againSql(chunk.marks), [againMs, ...chunk.values])
  }
  const open = all.filter(({ lane }) => !closed.includes(lane))
  return { value: open.map(({ credentialId, tenantId }) => ({ tenantId, credentialId })), wrote: all.length > 0 }
}

// ---- one of them ---------------------------------------------------------------

const standingSql = `SELECT ${credentialColumns}, ${Columns.momentSql},
    (SELECT s.is_active FROM tenant_services s
      WHERE s.tenant_id = credentials.tenant_id AND s.service_name = credentials.service_name)
  FROM credentials WHERE credential_id = ? AND tenant_id = ?`
const versionsSql = `SELECT ${versionColumns} FROM credential_versions
  WHERE credential_id = ? AND tenant_id = ? AND key_id IS NOT NULL ORDER BY version`

const standing = async (session: Session, tenantId: string, credentialId: string) => {
  const id = Columns.uuidBytesOrNull(credentialId)
  if (id === null) return undefined
  // The answers first: one that is put between the two is seen the next time, and none is seen settled by halves.
  const versions = (await session.rows(versionsSql, [id, tenantId])).map(versionOf)
  const [row] = await session.rows(standingSql, [id, tenantId])
  if (row === undefined) return undefined
  return {
    credential: credentialOf(row),
    now: Columns.whole(row, credentialColumnCount),
    serviceActive: (Columns.wholeOrNull(row, credentialColumnCount + 1) ?? 1) === 1,
    versions
  }
}

const answerSql = `INSERT IGNORE INTO credential_versions (${versionColumns})
  SELECT ${Array(12).fill("?").join(", ")} FROM credentials WHERE credential_id = ? AND tenant_id = ? AND state <> 1`
const answerThereSql = "SELECT 1 FROM credential_versions WHERE credential_id = ? AND version = ?"

const putAnswer = async (session: Session, tenantId: string, answer: CredentialVersion) => {
  const id = Columns.uuidBytes(answer.credentialId)
  const written = await session.run(answerSql, [...versionValues(tenantId, answer), id, tenantId])
  if (written > 0) return { value: true, wrote: true }
  const there = (await session.rows(answerThereSql, [id, answer.version])).length > 0
  return { value: there, wrote: false }
}

// ---- providers -----------------------------------------------------------------

const prefixed = providerColumns
  .split(", ")
  .map((column) => `p.${column}`)
  .join(", ")
const providersSql = (where: string): string => `SELECT ${prefixed}, v.sealed FROM providers p
  LEFT JOIN credential_versions v ON v.credential_id = p.provider_id AND v.version = p.version
  WHERE p.tenant_id IN (?, ?)${where} ORDER BY p.name LIMIT ${2 * providersMax}`

const providers = async (
  session: Session,
  tenantId: string,
  name: string | null
): Promise<ReadonlyArray<StoredProvider>> => {
  const rows =
    name === null
      ? await session.rows(providersSql(""), [tenantId, globalTenantId])
      : await session.rows(providersSql(" AND p.name = ?"), [tenantId, globalTenantId, name])
  return rows.map((row) => ({
    entry: providerOf(row),
    sealed: row[10] === null ? undefined : new Uint8Array(Columns.bytes(row, 10))
  }))
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
const takeSql = `INSERT INTO provider_turns (lane, taken_at, held_until)
  VALUES (?, ${Columns.momentSql}, ${Columns.momentSql} + ?)`
const endTurnSql = "UPDATE provider_turns SET held_until = 0 WHERE turn_id = ?"
const busyRetryMs = 250

const takeTurn = async (
  session: Session,
  { holdMs, lane, parallel, ratePerMinute }: TurnRequest
): Promise<TransactionResult<Turn>> => {
  const id = Buffer.from(lane, "hex")
  if ((await session.rows(lockLaneSql, [id])).length === 0) {
    await session.run(makeLaneSql, [id])
    await session.rows(lockLaneSql, [id])
  }
  await session.run(oldTurnsSql, [id])
  const [row = []] = await session.rows(countSql, [id])
  const [now, taken, held] = [0, 1, 2].map((index) => Number(row[index] ?? 0)) as [number, number, number]
  if (taken >= ratePerMinute) {
    const oldest = Columns.wholeOrNull(row, 3) ?? now
    return { value: { _tag: "Full", retryAfterMs: Math.max(1, oldest + rateWindowMs - now) }, wrote: true }
  }
  if (held >= parallel) return { value: { _tag: "Full", retryAfterMs: busyRetryMs }, wrote: true }
  await session.run(takeSql, [id, holdMs])
  const [made = []] = await session.rows("SELECT LAST_INSERT_ID()")
  return { value: { _tag: "Taken", turnId: Number(made[0]) }, wrote: true }
}

// ---- the layer -----------------------------------------------------------------

const make = Effect.map(Mariadb, (database) => {
  const transaction = <A>(
    operation: string,
    body: (session: Session) => Promise<TransactionResult<A>>
  ): Effect.Effect<A, StoreUnavailable> =>
    database
      .transaction(
        `RefreshStore.${operation}`,
        (session): Effect.Effect<TransactionResult<A>, DatabaseFailure> => fromSession(() => body(session))
      )
      .pipe(Effect.catchTag("ConstraintBroken", (broken: ConstraintBroken) => Effect.die(new Error(broken.constraint))))
  return RefreshStore.of({
    pick: (limit, againMs, closed) => transaction("pick", (session) => pick(session, limit, againMs, closed)),
    standing: (tenantId, credentialId) =>
      database.query("RefreshStore.standing", (session) => standing(session, tenantId, credentialId), tenantId),
    putAnswer: (tenantId, answer) => transaction("putAnswer", (session) => putAnswer(session, tenantId, answer)),
    providers: (tenantId, name) =>
      database.query("RefreshStore.providers", (session) => providers(session, tenantId, name), tenantId),
    takeTurn: (request) => transaction("takeTurn", (session) => takeTurn(session, request)),
    endTurn: (turnId) =>
      Effect.asVoid(database.query("RefreshStore.endTurn", (session) => session.run(endTurnSql, [turnId])))
  })
})

export const layer: Layer.Layer<RefreshStore, never, Mariadb> = Layer.effect(RefreshStore, make)
