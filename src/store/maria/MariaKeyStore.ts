/**
 * `KeyStore` on MariaDB. "One active key for each purpose and tenant" is a unique index over a
 * generated column, so two replicas that start at once agree.
 */
import { Effect, Layer } from "effect"
import { KeyStore, type StoredKey } from "../KeyStore.ts"
import * as Columns from "./Columns.ts"
import { readKeyColumns, storedKeyColumns, storedKeyOf } from "./KeyRow.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Session } from "./MariadbConnection.ts"

const allSql = `SELECT ${readKeyColumns} FROM data_keys ORDER BY key_id`
const insertSql = `INSERT IGNORE INTO data_keys (${storedKeyColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
const activeSql = `SELECT ${readKeyColumns} FROM data_keys WHERE active_for = CONCAT(?, '/', ?)`
const fingerprintsSql = "SELECT master_key_id, fingerprint FROM master_keys ORDER BY master_key_id"
const addFingerprintSql = `INSERT IGNORE INTO master_keys (master_key_id, fingerprint, created_at) VALUES (?, ?, ${Columns.nowSql})`
const hasDataSql = `SELECT EXISTS (SELECT 1 FROM tokens) OR EXISTS (SELECT 1 FROM idempotency)
  OR EXISTS (SELECT 1 FROM data_keys)`

const ensureActive = async (session: Session, candidate: StoredKey): Promise<StoredKey> => {
  const { createdAt, keyId, link = null, masterKeyId, purpose, tenantId, wrapped } = candidate
  const id = Columns.uuidBytes(keyId)
  await session.run(insertSql, [id, purpose, tenantId, "active", masterKeyId, Buffer.from(wrapped), createdAt, link])
  const [row] = await session.rows(activeSql, [purpose, tenantId ?? ""])
  if (row === undefined) throw new Error(`no active key for ${purpose} after one was inserted`)
  return storedKeyOf(row)
}

const make = Effect.map(Mariadb, (database) =>
  KeyStore.of({
    masterKeyFingerprints: database.query("KeyStore.masterKeyFingerprints", async (session) =>
      (await session.rows(fingerprintsSql)).map((row) => ({
        masterKeyId: Columns.text(row, 0),
        fingerprint: Columns.text(row, 1)
      }))
    ),
    addMasterKeyFingerprint: (masterKeyId, fingerprint) =>
      Effect.asVoid(
        database.query("KeyStore.addMasterKeyFingerprint", (session) =>
          session.run(addFingerprintSql, [masterKeyId, fingerprint])
        )
      ),
    keys: database.query("KeyStore.keys", async (session) => (await session.rows(allSql)).map(storedKeyOf)),
    ensureActive: (candidate) => database.query("KeyStore.ensureActive", (session) => ensureActive(session, candidate)),
    hasData: database.query("KeyStore.hasData", async (session) => {
      const [row = []] = await session.rows(hasDataSql)
      return Columns.whole(row, 0) === 1
    })
  })
)

export const layer: Layer.Layer<KeyStore, never, Mariadb> = Layer.effect(KeyStore, make)
