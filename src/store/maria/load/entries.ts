/**
 * A tenant's entries that credentials mean by name, its providers and its rotators: each with whether a credential means
 * it, and how many there are.
 */
import { globalTenantId } from "../../../domain/Names.ts"
import { providersMax } from "../../../domain/ProviderEntry.ts"
import { rotatorsMax } from "../../../domain/Rotator.ts"
import * as Columns from "../Columns.ts"
import { providerColumns, providerOf, rotatorColumns, rotatorOf } from "../CredentialRow.ts"
import type { Row, Session } from "../MariadbConnection.ts"

interface Kind<Entry> {
  readonly table: string
  readonly columns: string
  readonly of: (row: Row) => Entry
  readonly max: number
  /** The column of a credential that names one, and the indexes on it: with the tenant, and over all of them. */
  readonly named: { readonly column: string; readonly ofTenant: string; readonly ofAll: string }
}

const loader = <Entry extends { readonly name: string }>({ columns, max, named, of, table }: Kind<Entry>) => {
  const { column, ofAll, ofTenant } = named
  const entriesSql = (marks: string): string =>
    `SELECT ${columns} FROM ${table} WHERE tenant_id = ? AND name IN (${marks})`
  const inUseSql = (marks: string): string =>
    `SELECT DISTINCT ${column} FROM credentials FORCE INDEX (${ofTenant})
      WHERE tenant_id = ? AND ${column} IN (${marks}) AND state <> 1`
  /** A name of `global` is meant by every tenant that has none of its own of that name. */
  const inUseOfGlobalSql = (marks: string): string =>
    `SELECT DISTINCT c.${column} FROM credentials c FORCE INDEX (${ofAll})
      WHERE c.${column} IN (${marks}) AND c.state <> 1 AND (c.tenant_id = ? OR NOT EXISTS
        (SELECT 1 FROM ${table} e WHERE e.tenant_id = c.tenant_id AND e.name = c.${column}))`
  const countSql = `SELECT COUNT(*) FROM (SELECT 1 FROM ${table} WHERE tenant_id = ? LIMIT ${max}) some`

  return async (session: Session, tenantId: string, names: ReadonlyArray<string>) => {
    const [rows, used, [counted = []]] = await Promise.all([
      Columns.rowsIn(session, entriesSql, names, [tenantId]),
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
      entries: new Map(rows.map(of).map((entry) => [entry.name, entry])),
      inUse: new Set(used.map((row) => Columns.text(row, 0))),
      count: Columns.whole(counted, 0)
    }
  }
}

const providers = loader({
  table: "providers",
  columns: providerColumns,
  of: providerOf,
  max: providersMax,
  named: {
    column: "refresh_provider",
    ofTenant: "ix_credentials_refresh_provider",
    ofAll: "ix_credentials_refresh_name"
  }
})
const rotators = loader({
  table: "rotators",
  columns: rotatorColumns,
  of: rotatorOf,
  max: rotatorsMax,
  named: { column: "rotator", ofTenant: "ix_credentials_rotator", ofAll: "ix_credentials_rotator_name" }
})

export const loadProviders = async (session: Session, tenantId: string, names: ReadonlyArray<string> | undefined) => {
  if (names === undefined) return {}
  const { count, entries, inUse } = await providers(session, tenantId, names)
  return { providers: entries, providersInUse: inUse, providerCount: count }
}

export const loadRotators = async (session: Session, tenantId: string, names: ReadonlyArray<string> | undefined) => {
  if (names === undefined) return {}
  const { count, entries, inUse } = await rotators(session, tenantId, names)
  return { rotators: entries, rotatorsInUse: inUse, rotatorCount: count }
}
