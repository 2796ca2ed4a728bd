/** A tenant's rotators by name, each with whether a credential means it, and how many there are. */
import { globalTenantId } from "../../../domain/Names.ts"
import { rotatorsMax } from "../../../domain/Rotator.ts"
import * as Columns from "../Columns.ts"
import { rotatorColumns, rotatorOf } from "../CredentialRow.ts"
import type { Session } from "../MariadbConnection.ts"

const rotatorsSql = (marks: string): string =>
  `SELECT ${rotatorColumns} FROM rotators WHERE tenant_id = ? AND name IN (${marks})`
const inUseSql = (marks: string): string =>
  `SELECT DISTINCT rotator FROM credentials FORCE INDEX (ix_credentials_rotator)
    WHERE tenant_id = ? AND rotator IN (${marks}) AND state <> 1`
/** A name of `global` is meant by every tenant that has none of its own of that name. */
const inUseOfGlobalSql = (marks: string): string =>
  `SELECT DISTINCT c.rotator FROM credentials c FORCE INDEX (ix_credentials_rotator_name)
    WHERE c.rotator IN (${marks}) AND c.state <> 1 AND (c.tenant_id = ? OR NOT EXISTS
      (SELECT 1 FROM rotators r WHERE r.tenant_id = c.tenant_id AND r.name = c.rotator))`
const countSql = `SELECT COUNT(*) FROM (SELECT 1 FROM rotators WHERE tenant_id = ? LIMIT ${rotatorsMax}) some`

export const loadRotators = async (session: Session, tenantId: string, names: ReadonlyArray<string> | undefined) => {
  if (names === undefined) return {}
  const [rows, used, [counted = []]] = await Promise.all([
    Columns.rowsIn(session, rotatorsSql, names, [tenantId]),
    tenantId === globalTenantId
      ? Promise.all(
          Columns.chunksOf(names).map((chunk) =>
            session.rows(inUseOfGlobalSql(chunk.marks), [...chunk.values, globalTenantId])
          )
        ).then((found) => found.flat())
      : Columns.rowsIn(session, inUseSql, names, [tenantId]),
    session.rows(countSql, [tenantId])
  ])
  return {
    rotators: new Map(rows.map(rotatorOf).map((entry) => [entry.name, entry])),
    rotatorsInUse: new Set(used.map((row) => Columns.text(row, 0))),
    rotatorCount: Columns.whole(counted, 0)
  }
}
