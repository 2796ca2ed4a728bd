/** Writes what was decided about applications, and keeps their numbers of tokens. */

import type { Changes, Loaded } from "../../TenantStore.ts"
import type { Session } from "../MariadbConnection.ts"

const insertSql = "INSERT INTO applications (app_name, tenant_id, created_at) VALUES (?, ?, ?)"
const removeSql = "UPDATE applications SET removed_at = ? WHERE app_name = ? AND tenant_id = ? AND removed_at IS NULL"
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

export const applyApplications = (
  session: Session,
  tenantId: string,
  changes: Changes,
  loaded: Loaded
): ReadonlyArray<Promise<unknown>> => [
  session.batch(
    insertSql,
    changes.applicationsInserted.toSorted().map((appName) => [appName, tenantId, loaded.now])
  ),
  session.batch(
    removeSql,
    changes.applicationsRemoved.toSorted().map((appName) => [loaded.now, appName, tenantId])
  ),
  session.batch(
    countSql,
    Array.from(countChanges(changes, loaded))
      .filter(([, delta]) => delta !== 0)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([appName, delta]) => [delta, appName, tenantId])
  )
]
