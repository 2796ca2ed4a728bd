/**
 * `KeyRotationStore` on MariaDB.
 *
 * Rows are moved tenant by tenant, each tenant's in a transaction that locks its counters first, as
 * every change of a tenant does: what such a change has read cannot move under it. A move names what
 * it read, so repeating it does nothing. However many rows, it is two statements a tenant. Counting goes by an index for each kind of row.
 */
import { Effect, Layer } from "effect"
import * as keyMoves from "./apply/keyMoves.ts"
import * as Columns from "./Columns.ts"
import type { DatabaseFailure } from "./DatabaseFailure.ts"
import { type AgedKey, KeyRotationStore, movePageMax, type Retired } from "./KeyRotationStore.ts"
import type { KeyPurpose, KeyState, StoredKey } from "./KeyStore.ts"
import { type ConstraintBroken, fromSession, Mariadb, type TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"
import type { StoreUnavailable } from "./StoreError.ts"

const keyColumns = `key_id, purpose, tenant_id, state, master_key_id, wrapped, created_at, ${Columns.nowSql} - created_at`
const keyOf = (row: Row): AgedKey => ({
  keyId: Columns.uuid(row, 0),
  purpose: Columns.text(row, 1) as KeyPurpose,
  tenantId: Columns.textOrNull(row, 2),
  state: Columns.text(row, 3) as KeyState,
  masterKeyId: Columns.text(row, 4),
  wrapped: new Uint8Array(Columns.bytes(row, 5)),
  createdAt: Columns.whole(row, 6),
  ageMs: Columns.whole(row, 7)
})

// ---- what a key is needed for ------------------------------------------------------

/** Each counts the rows of one kind that need the keys of an `IN (…)`. */
const countSqls: ReadonlyArray<(marks: string) => string> = [
  (marks) => `SELECT hash_key_id, COUNT(*) FROM tokens WHERE hash_key_id IN (${marks}) GROUP BY hash_key_id`,
  (marks) => `SELECT key_id, COUNT(*) FROM credential_versions WHERE key_id IN (${marks}) GROUP BY key_id`,
  (marks) => `SELECT seal_key_id, COUNT(*) FROM idempotency WHERE seal_key_id IN (${marks}) GROUP BY seal_key_id`
]
/** Whether any row needs key `k`. */
const neededSql = `(EXISTS (SELECT 1 FROM tokens t WHERE t.hash_key_id = k.key_id)
  OR EXISTS (SELECT 1 FROM credential_versions v WHERE v.key_id = k.key_id)
  OR EXISTS (SELECT 1 FROM idempotency i WHERE i.seal_key_id = k.key_id))`
const countMovableSql = `SELECT
  (SELECT COUNT(*) FROM data_keys k JOIN tokens t ON t.hash_key_id = k.key_id WHERE k.state = 'retiring') +
  (SELECT COUNT(*) FROM data_keys k JOIN credential_versions v ON v.key_id = k.key_id WHERE k.state = 'retiring')`

const countRows = async (session: Session, keyIds: ReadonlyArray<string>): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map(keyIds.map((keyId) => [keyId, 0]))
  const ids = Columns.uuidBytesOf(keyIds)
  if (ids.length === 0) return counts
  const found = await Promise.all(countSqls.map((sql) => Columns.rowsIn(session, sql, ids)))
  for (const row of found.flat()) {
    const keyId = Columns.uuid(row, 0)
    counts.set(keyId, (counts.get(keyId) ?? 0) + Columns.whole(row, 1))
  }
  return counts
}

// ---- changing keys -----------------------------------------------------------------

const demoteSql = "UPDATE data_keys SET state = 'retiring' WHERE key_id = ? AND state = 'active'"
const demoteTenantsSql = "UPDATE data_keys SET state = 'retiring' WHERE purpose = 'tenant-data' AND state = 'active'"
const insertSql = `INSERT INTO data_keys (key_id, purpose, tenant_id, state, master_key_id, wrapped, created_at)
  VALUES (?, ?, ?, 'active', ?, ?, ${Columns.momentSql})`
const retireSql = `UPDATE data_keys k SET k.state = 'retired', k.retired_at = ${Columns.momentSql}
  WHERE k.key_id = ? AND k.state = 'retiring' AND NOT ${neededSql}`
const reviveSql = `UPDATE data_keys k SET k.state = 'retiring', k.retired_at = NULL WHERE k.state = 'retired' AND ${neededSql}`
const eraseSql = `UPDATE data_keys k SET k.wrapped = ''
  WHERE k.state = 'retired' AND k.wrapped <> '' AND k.retired_at <= ${Columns.nowSql} - ? AND NOT ${neededSql}`
const rewrapSql =
  "UPDATE data_keys SET master_key_id = ?, wrapped = ? WHERE key_id = ? AND master_key_id = ? AND wrapped = ?"

const replaceActive = async (
  session: Session,
  expectedKeyId: string,
  successor: StoredKey
): Promise<TransactionResult<boolean>> => {
  const demoted = await session.run(demoteSql, [Columns.uuidBytes(expectedKeyId)])
  if (demoted === 0) return { value: false, wrote: false }
  await session.run(insertSql, [
    Columns.uuidBytes(successor.keyId),
    successor.purpose,
    successor.tenantId,
    successor.masterKeyId,
    Buffer.from(successor.wrapped)
  ])
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

const hashedSql = `SELECT tenant_id, token_id, hash FROM tokens WHERE hash_key_id = ?
  ORDER BY hash_key_id, tenant_id, token_id LIMIT ?`
const sealedSql = `SELECT tenant_id, credential_id, version, sealed FROM credential_versions
  WHERE key_id = ? AND sealed IS NOT NULL ORDER BY key_id, credential_id, version LIMIT ?`
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
  const transaction = <A>(
    operation: string,
    body: (session: Session) => Promise<TransactionResult<A>>
  ): Effect.Effect<A, StoreUnavailable> =>
    database
      .transaction(
        `KeyRotationStore.${operation}`,
        (session): Effect.Effect<TransactionResult<A>, DatabaseFailure> => fromSession(() => body(session))
      )
      .pipe(Effect.catchTag("ConstraintBroken", (broken: ConstraintBroken) => Effect.die(new Error(broken.constraint))))
  const moveAll = <A extends { readonly tenantId: string }>(
    operation: string,
    from: Buffer,
    moves: ReadonlyArray<A>,
    kind: keyMoves.Kind<A>
  ) =>
    Effect.reduce(
      Map.groupBy(moves, (move) => move.tenantId),
      () => 0,
      (sum: number, [tenantId, own]) =>
        Effect.map(
          transaction(operation, (session) => keyMoves.moveOfTenant(session, tenantId, from, own, kind)),
          (moved) => sum + moved
        )
    )

  return KeyRotationStore.of({
    serviceKeys: keys("serviceKeys", "WHERE tenant_id IS NULL AND wrapped <> ''"),
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
    demoteTenantKeys: run("demoteTenantKeys", demoteTenantsSql, []),
    retire: (keyId) => {
      const id = Columns.uuidBytesOrNull(keyId)
      return id === null
        ? Effect.succeed("unknown" as const)
        : database.query("KeyRotationStore.retire", (session) => retire(session, id))
    },
    reviveNeeded: run("reviveNeeded", reviveSql, []),
    eraseRetired: (ageMs) => run("eraseRetired", eraseSql, [ageMs]),
    addUses: (keyId, uses) =>
      database.query("KeyRotationStore.addUses", async (session) => {
        const id = Columns.uuidBytes(keyId)
        await session.run("UPDATE data_keys SET uses = uses + ? WHERE key_id = ?", [uses, id])
        const [row] = await session.rows("SELECT uses FROM data_keys WHERE key_id = ?", [id])
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

    countRows: (keyIds) => database.query("KeyRotationStore.countRows", (session) => countRows(session, keyIds)),
    countMovable: database.query("KeyRotationStore.countMovable", async (session) => {
      const [row] = await session.rows(countMovableSql)
      return Columns.whole(row ?? [], 0)
    }),
    hashedRows: (keyId, limit) =>
      database.query("KeyRotationStore.hashedRows", async (session) =>
        (await session.rows(hashedSql, [Columns.uuidBytes(keyId), Math.min(limit, movePageMax)])).map((row) => ({
          tenantId: Columns.text(row, 0),
          tokenId: Columns.uuid(row, 1),
          hash: new Uint8Array(Columns.bytes(row, 2))
        }))
      ),
    moveHashes: (fromKeyId, toKeyId, moves) => {
      const [from, to] = [Columns.uuidBytes(fromKeyId), Columns.uuidBytes(toKeyId)]
      return moveAll("moveHashes", from, moves, keyMoves.hashes(from, to))
    },
    sealedRows: (keyId, limit) =>
      database.query("KeyRotationStore.sealedRows", async (session) =>
        (await session.rows(sealedSql, [Columns.uuidBytes(keyId), Math.min(limit, movePageMax)])).map((row) => ({
          tenantId: Columns.text(row, 0),
          credentialId: Columns.uuid(row, 1),
          version: Columns.whole(row, 2),
          sealed: new Uint8Array(Columns.bytes(row, 3))
        }))
      ),
    moveSealed: (fromKeyId, moves) => {
      const from = Columns.uuidBytes(fromKeyId)
      return moveAll("moveSealed", from, moves, keyMoves.sealed(from))
    },

    mark: database.query("KeyRotationStore.mark", async (session) => {
      const [row] = await session.rows(
        `SELECT started_at, ${Columns.nowSql} - started_at, total FROM key_rotation WHERE id = 1`
      )
      return row === undefined
        ? undefined
        : { startedAt: Columns.whole(row, 0), ageMs: Columns.whole(row, 1), total: Columns.whole(row, 2) }
    }),
    setMark: (total) =>
      Effect.asVoid(
        run("setMark", `REPLACE INTO key_rotation (id, started_at, total) VALUES (1, ${Columns.momentSql}, ?)`, [total])
      )
  })
})

export const layer: Layer.Layer<KeyRotationStore, never, Mariadb> = Layer.effect(KeyRotationStore, make)
