/**
 * `KeyRotationStore` on MariaDB.
 *
 * Rows are moved tenant by tenant, each tenant's in a transaction that locks its counters first, as
 * every change of a tenant does: what such a change has read cannot move under it. A move names what
 * it read, so repeating it does nothing. However many rows, it is two round trips a tenant: the moves, and
 * its number added to the run's.
 */
import { Effect, Layer } from "effect"
import {
  KeyRotationStore,
  movePageMax,
  type Retired,
  type SealedPlace,
  type SealedRow,
  sealedPageBytesMax
} from "../KeyRotationStore.ts"
import type { KeyState, StoredKey } from "../KeyStore.ts"
import * as keyMoves from "./apply/keyMoves.ts"
import { beginMarkSql, demoteSql, insertSql, insertValues, retireSql } from "./apply/keys.ts"
import * as Columns from "./Columns.ts"
import { readSealedSql } from "./CredentialRow.ts"
import { keyColumns, keyOf } from "./KeyRow.ts"
import * as keyRows from "./load/keyRows.ts"
import { Mariadb, type TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"
import { sureTransaction } from "./SureTransaction.ts"
import { tokenColumns, tokenOf } from "./TokenRow.ts"

// ---- changing keys -----------------------------------------------------------------

const reviveSql = `UPDATE data_keys k SET k.state = 'retiring', k.retired_at = NULL WHERE k.state = 'retired' AND ${keyRows.neededSql}`
const eraseSql = `UPDATE data_keys k SET k.wrapped = ''
  WHERE k.state = 'retired' AND k.wrapped <> '' AND k.ended_at IS NULL AND k.retired_at <= ${Columns.nowSql} - ?
    AND NOT ${keyRows.neededSql}`
const endedSql = `SELECT k.key_id, k.tenant_id, ${Columns.clampedSql("k.ended_at")},
    ${Columns.clampedSql("COALESCE(k.ended_retention, ?)")}
  FROM data_keys k FORCE INDEX (ix_data_keys_ended)
  WHERE k.ended_at IS NOT NULL
    AND ${Columns.clampedSql("k.ended_at")} + ${Columns.clampedSql("COALESCE(k.ended_retention, ?)")} <= ${Columns.nowSql}
    AND k.state <> 'active' AND k.wrapped <> '' AND NOT ${keyRows.neededSql}
  ORDER BY k.ended_at LIMIT ?`
const usableSql = (marks: string): string =>
  `SELECT key_id FROM data_keys WHERE key_id IN (${marks}) AND state <> 'retired' AND wrapped <> ''`
const rewrapSql =
  "UPDATE data_keys SET master_key_id = ?, wrapped = ? WHERE key_id = ? AND master_key_id = ? AND wrapped = ?"

const replaceActive = async (
  session: Session,
  expectedKeyId: string,
  successor: StoredKey
): Promise<TransactionResult<boolean>> => {
  const demoted = await session.run(demoteSql, [Columns.uuidBytes(expectedKeyId)])
  if (demoted === 0) return { value: false, wrote: false }
  await session.run(insertSql, insertValues(successor))
  return { value: true, wrote: true }
}

const retire = async (session: Session, keyId: Buffer): Promise<Retired> => {
  if ((await session.run(retireSql, [keyId])) > 0) return "retired"
  const [row] = await session.rows("SELECT state FROM data_keys WHERE key_id = ?", [keyId])
  if (row === undefined) return "unknown"
  const state = Columns.text(row, 0) as KeyState
  return state === "retiring" ? "inUse" : state
}

// ---- moving rows -------------------------------------------------------------------

/**
 * After a place: what was moved from before it stays in the index until it is purged, and would be read again at every page.
 */
export const hashedSql = `SELECT ${tokenColumns} FROM tokens FORCE INDEX (ix_tokens_hash_key)
  WHERE hash_key_id = ? AND (tenant_id > ? OR (tenant_id = ? AND token_id > ?))
  ORDER BY hash_key_id, tenant_id, token_id LIMIT ?`
/** A record that is longer is read by itself, if the page has room for it: of others so many as a page may have fit into it. */
const shortRecordBytes = Math.floor(sealedPageBytesMax / movePageMax)
export const sealedSql = `SELECT tenant_id, credential_id, version, LENGTH(${readSealedSql}), IF(LENGTH(sealed) > ${shortRecordBytes}, '', sealed)
  FROM credential_versions FORCE INDEX (ix_credential_versions_key)
  WHERE key_id = ? AND (credential_id > ? OR (credential_id = ? AND version > ?)) AND sealed IS NOT NULL
  ORDER BY key_id, credential_id, version LIMIT ?`
const longRecordSql = `SELECT ${readSealedSql} FROM credential_versions
  WHERE credential_id = ? AND version = ? AND key_id = ? AND sealed IS NOT NULL`
const firstId = Buffer.alloc(16)
const movableKeysSql = `SELECT ${keyColumns} FROM data_keys k
  WHERE k.state = 'retiring' AND k.key_id > ? AND ${keyRows.movableSql}
    AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.tenant_id = k.tenant_id AND t.removed_at IS NOT NULL) ORDER BY k.key_id LIMIT ?`

/** The rows up to the one that fills the page. A long record that has gone since its row was read is left out. */
const sealedPage = async (
  session: Session,
  key: Buffer,
  limit: number,
  after: SealedPlace
): Promise<ReadonlyArray<SealedRow>> => {
  const id = after === null ? firstId : Columns.uuidBytes(after.credentialId)
  const page: Array<Promise<SealedRow | null> | SealedRow> = []
  let bytes = 0
  for (const row of await session.rows(sealedSql, [key, id, id, after?.version ?? 0, limit])) {
    if (bytes >= sealedPageBytesMax) break
    const [length, version] = [Columns.whole(row, 3), Columns.whole(row, 2)]
    bytes += length
    const read = (found: Row, at: number): SealedRow => {
      // Gone with the page: it may stay where it was read.
      const sealed = Columns.bytes(found, at)
      return {
        tenantId: Columns.text(row, 0),
        credentialId: Columns.uuid(row, 1),
        version,
        sealed: new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.byteLength)
      }
    }
    page.push(
      length <= shortRecordBytes
        ? read(row, 4)
        : session
            .rows(longRecordSql, [Columns.bytes(row, 1), version, key])
            .then(([found]) => (found === undefined ? null : read(found, 0)))
    )
  }
  return (await Promise.all(page)).filter((row) => row !== null)
}

// ---- the run under way -------------------------------------------------------------

const markSql = `SELECT ${Columns.clampedSql("started_at")}, ${Columns.clampedSql("total")}, ${Columns.clampedSql("moved")},
    ${Columns.clampedSql(`${Columns.nowSql} - ${Columns.clampedSql("moving_since")}`)}, IF(ended_at IS NULL, NULL, 1)
  FROM key_rotation WHERE id = 1`
const setLeftSql = `UPDATE key_rotation SET total = moved + ? WHERE id = 1 AND started_at = ? AND total IS NULL`
const endMarkSql = `UPDATE key_rotation SET ended_at = ${Columns.momentSql} WHERE id = 1 AND started_at = ?`

// ---- the layer ---------------------------------------------------------------------

const make = Effect.gen(function* () {
  const database = yield* Mariadb

  const keys = (operation: string, where: string, values: ReadonlyArray<string | number | Buffer> = []) =>
    database.query(`KeyRotationStore.${operation}`, async (session) =>
      (await session.rows(`SELECT ${keyColumns} FROM data_keys ${where}`, values)).map(keyOf)
    )
  const run = (operation: string, sql: string, values: ReadonlyArray<string | number | Buffer>) =>
    database.query(`KeyRotationStore.${operation}`, (session) => session.run(sql, values))
  /** None of these breaks a unique key but by a bug. */
  const transaction = sureTransaction(database, "KeyRotationStore")
  const moveAll = <A extends { readonly tenantId: string }>(
    operation: string,
    moves: ReadonlyArray<A>,
    kind: keyMoves.Kind<A>
  ) =>
    Effect.reduce(
      Map.groupBy(moves, (move) => move.tenantId),
      () => 0,
      (sum: number, [tenantId, own]) =>
        Effect.map(
          transaction(operation, (session) => keyMoves.moveOfTenant(session, tenantId, own, kind)),
          (moved) => sum + moved
        )
    )

  return KeyRotationStore.of({
    serviceKeys: keys("serviceKeys", "WHERE tenant_id IS NULL AND wrapped <> ''"),
    keysOf: (purpose) => keys("keysOf", "WHERE tenant_id IS NULL AND purpose = ? ORDER BY key_id", [purpose]),
    findKey: (keyId) => {
      const id = Columns.uuidBytesOrNull(keyId)
      return id === null
        ? Effect.succeed(undefined)
        : Effect.map(keys("findKey", "WHERE key_id = ?", [id]), (found) => found[0])
    },
    activeKey: (purpose, tenantId) =>
      Effect.map(keys("activeKey", "WHERE active_for = ?", [`${purpose}/${tenantId ?? ""}`]), (found) => found[0]),
    listKeys: ({ after, limit }) => {
      const id = after === null ? Buffer.alloc(16) : Columns.uuidBytes(after)
      return keys("listKeys", "WHERE key_id > ? ORDER BY key_id LIMIT ?", [id, limit])
    },
    retiringKeys: (limit) => keys("retiringKeys", "WHERE state = 'retiring' ORDER BY key_id LIMIT ?", [limit]),
    replaceActive: (expectedKeyId, successor) =>
      transaction("replaceActive", (session) => replaceActive(session, expectedKeyId, successor)),
    demote: (keyId) => Effect.map(run("demote", demoteSql, [Columns.uuidBytes(keyId)]), (rows) => rows > 0),
    retire: (keyId) => {
      const id = Columns.uuidBytesOrNull(keyId)
      return id === null
        ? Effect.succeed("unknown" as const)
        : database.query("KeyRotationStore.retire", (session) => retire(session, id))
    },
    reviveNeeded: run("reviveNeeded", reviveSql, []),
    eraseRetired: (ageMs) => run("eraseRetired", eraseSql, [ageMs]),
    endedKeys: (retentionMs, limit) =>
      database.query("KeyRotationStore.endedKeys", async (session) =>
        (await session.rows(endedSql, [retentionMs, retentionMs, limit])).map((row) => ({
          keyId: Columns.uuid(row, 0),
          tenantId: Columns.text(row, 1),
          endedAt: Columns.whole(row, 2),
          retentionMs: Columns.whole(row, 3)
        }))
      ),
    usableAmong: (keyIds) =>
      database.query(
        "KeyRotationStore.usableAmong",
        async (session) =>
          new Set(
            (await Columns.rowsIn(session, usableSql, Columns.uuidBytesOf(keyIds))).map((row) => Columns.uuid(row, 0))
          )
      ),
    addUses: (keyId, uses) =>
      database.query("KeyRotationStore.addUses", async (session) => {
        const id = Columns.uuidBytes(keyId)
        const [, [row]] = await Promise.all([
          session.run("UPDATE data_keys SET uses = uses + ? WHERE key_id = ?", [uses, id]),
          session.rows("SELECT uses FROM data_keys WHERE key_id = ?", [id])
        ])
        return row === undefined ? 0 : Columns.whole(row, 0)
      }),
    rewrap: (key, next) =>
      Effect.map(
        run("rewrap", rewrapSql, [
          next.masterKeyId,
          Buffer.from(next.wrapped),
          Columns.uuidBytes(key.keyId),
          key.masterKeyId,
          Buffer.from(key.wrapped)
        ]),
        (rows) => rows > 0
      ),

    countRows: (keyId, limit) =>
      database.query("KeyRotationStore.countRows", (session) =>
        keyRows.countNeeded(session, Columns.uuidBytes(keyId), limit)
      ),
    countRemembered: (ages, limit) =>
      database.query("KeyRotationStore.countRemembered", (session) => keyRows.countRemembered(session, ages, limit)),
    countMovable: (limit) =>
      database.query("KeyRotationStore.countMovable", (session) => keyRows.countMovable(session, limit)),
    countMovableUnder: (keyIds, limit) =>
      database.query("KeyRotationStore.countMovableUnder", (session) =>
        keyRows.countMovableUnder(session, keyIds, limit)
      ),
    countMovableSlice: (keyId, after, limit) =>
      database.query("KeyRotationStore.countMovableSlice", (session) =>
        keyRows.countMovableSlice(session, keyId, after, limit)
      ),
    movableKeys: ({ after, limit }) => {
      const id = after === null ? Buffer.alloc(16) : Columns.uuidBytes(after)
      return database.query("KeyRotationStore.movableKeys", async (session) =>
        (await session.rows(movableKeysSql, [id, limit])).map(keyOf)
      )
    },
    hashedRows: (keyId, limit, after = null) =>
      database.query("KeyRotationStore.hashedRows", async (session) => {
        const [tenantId, tokenId] = after === null ? ["", firstId] : [after.tenantId, Columns.uuidBytes(after.tokenId)]
        const values = [Columns.uuidBytes(keyId), tenantId, tenantId, tokenId, Math.min(limit, movePageMax)]
        return (await session.rows(hashedSql, values)).map(tokenOf)
      }),
    moveHashes: (fromKeyId, toKeyId, moves) => {
      const [from, to] = [Columns.uuidBytes(fromKeyId), Columns.uuidBytes(toKeyId)]
      return moveAll("moveHashes", moves, keyMoves.hashes(from, to))
    },
    sealedRows: (keyId, limit, after = null) =>
      database.query("KeyRotationStore.sealedRows", (session) =>
        sealedPage(session, Columns.uuidBytes(keyId), Math.min(limit, movePageMax), after)
      ),
    moveSealed: (fromKeyId, moves) => {
      const from = Columns.uuidBytes(fromKeyId)
      return moveAll("moveSealed", moves, keyMoves.sealed(from))
    },

    mark: database.query("KeyRotationStore.mark", async (session) => {
      const [row] = await session.rows(markSql)
      return row === undefined
        ? undefined
        : {
            startedAt: Columns.whole(row, 0),
            total: Columns.wholeOrNull(row, 1),
            moved: Columns.whole(row, 2),
            movingMs: Columns.wholeOrNull(row, 3),
            isOver: Columns.wholeOrNull(row, 4) !== null
          }
    }),
    beginMark: Effect.asVoid(run("beginMark", beginMarkSql, [])),
    setLeft: (startedAt, left) => Effect.asVoid(run("setLeft", setLeftSql, [left, startedAt])),
    endMark: (startedAt) => Effect.asVoid(run("endMark", endMarkSql, [startedAt]))
  })
})

export const layer: Layer.Layer<KeyRotationStore, never, Mariadb> = Layer.effect(KeyRotationStore, make)
