/** Keys that a transaction may change, locked, and what they are needed for. */

import { type KeyLoad, type KeysLoaded, neededRowsMax } from "../../KeyRotationStore.ts"
import * as Columns from "../Columns.ts"
import { keyColumns, keyOf } from "../KeyRow.ts"
import type { Session } from "../MariadbConnection.ts"
import { countNeeded } from "./keyRows.ts"

/** Along the index, so that no tenant's key that somebody else changes just now is waited for. */
const serviceSql = `SELECT ${keyColumns} FROM data_keys FORCE INDEX (ix_data_keys_tenant)
  WHERE tenant_id IS NULL AND wrapped <> '' LIMIT ? FOR UPDATE`
/** Each rotation makes one, and what nothing needs any more is retired. */
const serviceKeysMax = 1_000
const namedSql = (marks: string): string => `SELECT ${keyColumns} FROM data_keys WHERE key_id IN (${marks}) FOR UPDATE`
const tenantKeysSql = "SELECT COUNT(*) FROM data_keys WHERE purpose = 'tenant-data' AND state = 'active'"

export const loadKeys = async (session: Session, load: KeyLoad | undefined): Promise<KeysLoaded | undefined> => {
  if (load === undefined) return undefined
  const ids = Columns.uuidBytesOf(load.ids)
  const [service, named, needed, tenantKeys] = await Promise.all([
    session
      .rows(serviceSql, [serviceKeysMax + 1])
      .then((rows) => Columns.within(serviceKeysMax, `${serviceKeysMax} keys of the service`, rows)),
    Columns.rowsIn(session, namedSql, ids),
    Promise.all(ids.map((id) => countNeeded(session, id, neededRowsMax))),
    load.tenantKeys ? session.rows(tenantKeysSql) : []
  ])
  const keys = new Map([...service, ...named].map(keyOf).map((key) => [key.keyId, key]))
  const rows = new Map<string, number>()
  for (const [at, id] of ids.entries()) {
    const keyId = Columns.uuidText(id)
    if (keys.has(keyId)) rows.set(keyId, needed[at] ?? 0)
  }
  return { keys, rows, tenantKeys: Columns.whole(tenantKeys[0] ?? [0], 0) }
}
