/** Writes what was decided about applications, and keeps their numbers of tokens. */

import type { Changes, Loaded, WithdrawalPiece } from "../../TenantStore.ts"
import * as Columns from "../Columns.ts"
import type { Session } from "../MariadbConnection.ts"

const insertSql = "INSERT INTO applications (app_name, tenant_id, created_at, decided_at) VALUES (?, ?, ?, ?)"
const removeSql = "UPDATE applications SET removed_at = ? WHERE app_name = ? AND tenant_id = ? AND removed_at IS NULL"
/** The decision saw that nothing newer was decided; what it did not see must not be undone either. */
const moveSql = `UPDATE applications SET out_of_service = ?, decided_at = ?
  WHERE app_name = ? AND tenant_id = ? AND removed_at IS NULL AND decided_at <= ?`
const withdrawSql = `REPLACE INTO application_withdrawals
  (app_name, tenant_id, after_token_id, taken_at) VALUES (?, ?, ?, ?)`
/** Not of a withdrawal that began since: its walk begins with the first token. */
const sameSql = "WHERE app_name = ? AND tenant_id = ? AND taken_at = ? AND after_token_id = ?"
const progressSql = `UPDATE application_withdrawals SET after_token_id = ? ${sameSql}`
const endWithdrawalSql = `DELETE FROM application_withdrawals ${sameSql}`
const firstTokenId = Buffer.alloc(16)
const countSql = "UPDATE applications SET token_count = token_count + ? WHERE app_name = ? AND tenant_id = ?"

/** By how much the number of tokens of each application changes. */
const countChanges = (changes: Changes, loaded: Loaded): ReadonlyMap<string, number> => {
  const deltas = new Map<string, number>()
  const add = (appName: string, delta: number): void => void deltas.set(appName, (deltas.get(appName) ?? 0) + delta)
  for (const token of changes.tokensInserted) add(token.appName, 1)
  for (const tokenId of changes.tokensDeleted) {
    const token = loaded.tokens.get(tokenId)
    if (token !== undefined) add(token.appName, -1)
  }
  return deltas
}

const moved = ({ applicationsMoved = [] }: Changes) =>
  applicationsMoved.toSorted((a, b) => (a.appName < b.appName ? -1 : 1))
const sameValues = (tenantId: string, { afterTokenId, appName, takenAt }: WithdrawalPiece) => [
  appName,
  tenantId,
  takenAt,
  Columns.uuidBytes(afterTokenId)
]
const withdrawals = ({ withdrawals = [] }: Changes) => withdrawals

export const applyApplications = (
  session: Session,
  tenantId: string,
  changes: Changes,
  loaded: Loaded
): ReadonlyArray<Promise<unknown>> => [
  session.batch(
    insertSql,
    changes.applicationsInserted.toSorted().map((appName) => [appName, tenantId, loaded.now, loaded.now])
  ),
  session.batch(
    removeSql,
    changes.applicationsRemoved.toSorted().map((appName) => [loaded.now, appName, tenantId]),
    "each"
  ),
  session.batch(
    moveSql,
    moved(changes).map(({ appName, decidedAt, outOfService }) => [
      outOfService,
      decidedAt,
      appName,
      tenantId,
      decidedAt
    ])
  ),
  session.batch(
    withdrawSql,
    moved(changes).flatMap(({ appName, outOfService }) =>
      outOfService === null ? [] : [[appName, tenantId, firstTokenId, loaded.now]]
    )
  ),
  session.batch(
    progressSql,
    withdrawals(changes).flatMap(({ afterTokenId, of }) =>
      afterTokenId === null ? [] : [[Columns.uuidBytes(afterTokenId), ...sameValues(tenantId, of)]]
    )
  ),
  session.batch(
    endWithdrawalSql,
    withdrawals(changes).flatMap(({ afterTokenId, of }) => (afterTokenId === null ? [sameValues(tenantId, of)] : []))
  ),
  session.batch(
    countSql,
    Array.from(countChanges(changes, loaded))
      .filter(([, delta]) => delta !== 0)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([appName, delta]) => [delta, appName, tenantId])
  )
]
