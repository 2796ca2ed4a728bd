/**
 * Writes what was decided about keys, after the rows of the transaction: a key that one of them needs
 * is not retired.
 */

import { type KeyChanges, keyNeededConstraint } from "../../KeyRotationStore.ts"
import type { StoredKey } from "../../KeyStore.ts"
import * as Columns from "../Columns.ts"
import { DatabaseFailure } from "../DatabaseFailure.ts"
import { neededSql } from "../load/keyRows.ts"
import type { Session, Value } from "../MariadbConnection.ts"

export const demoteSql = "UPDATE data_keys SET state = 'retiring' WHERE key_id = ? AND state = 'active'"
export const insertSql = `INSERT INTO data_keys (key_id, purpose, tenant_id, state, master_key_id, wrapped, link, created_at)
  VALUES (?, ?, ?, 'active', ?, ?, ?, ${Columns.momentSql})`
export const retireSql = `UPDATE data_keys k SET k.state = 'retired', k.retired_at = ${Columns.momentSql}
  WHERE k.key_id = ? AND k.state = 'retiring' AND NOT ${neededSql}`
/** Once: what had no end, or was destroyed, is not destroyed. */
const destroySql = `UPDATE data_keys k
  SET k.state = 'retired', k.retired_at = COALESCE(k.retired_at, ${Columns.momentSql}), k.wrapped = '', k.ended_at = NULL
  WHERE k.key_id = ? AND k.ended_at IS NOT NULL AND k.state <> 'active' AND NOT ${neededSql}`
export const beginMarkSql = `REPLACE INTO key_rotation (id, started_at, total) VALUES (1, ${Columns.momentSql}, NULL)`
const demoteTenantsSql = "UPDATE data_keys SET state = 'retiring' WHERE purpose = 'tenant-data' AND state = 'active'"

export const insertValues = (key: StoredKey): ReadonlyArray<Value> => [
  Columns.uuidBytes(key.keyId),
  key.purpose,
  key.tenantId,
  key.masterKeyId,
  Buffer.from(key.wrapped),
  key.link ?? null
]

/** It was loaded as active, and is locked since. */
const mustBeReplaced = (rows: number): void => {
  if (rows !== 1) throw new Error("a key to be replaced is not active")
}
const mustNotBeNeeded = (rows: number): void => {
  if (rows !== 1) {
    throw new DatabaseFailure({ errno: 0, code: "KEY_NEEDED", constraint: keyNeededConstraint, fatal: false })
  }
}

export const applyKeys = (session: Session, changes: KeyChanges | undefined): ReadonlyArray<Promise<unknown>> => {
  if (changes === undefined) return []
  const { destroyed = [], replaced, retired, tenantKeysDemoted } = changes
  return [
    ...replaced.flatMap(({ keyId, successor }) => [
      session.run(demoteSql, [Columns.uuidBytes(keyId)]).then(mustBeReplaced),
      session.run(insertSql, insertValues(successor))
    ]),
    ...(tenantKeysDemoted ? [session.run(demoteTenantsSql)] : []),
    ...(replaced.length > 0 ? [session.run(beginMarkSql)] : []),
    ...retired.map((keyId) => session.run(retireSql, [Columns.uuidBytes(keyId)]).then(mustNotBeNeeded)),
    ...destroyed.map((keyId) => session.run(destroySql, [Columns.uuidBytes(keyId)]).then(mustNotBeNeeded))
  ]
}
