/** Applications by name, whoever's they are, with their numbers of tokens. */
import { type Application, outReasons } from "../../../domain/Tenant.ts"
import * as Columns from "../Columns.ts"
import type { Row, Session } from "../MariadbConnection.ts"

const columns = ["app_name", "tenant_id", "created_at", "removed_at", "out_of_service", "decided_at"]
/** What `applicationOf` reads, of a table that is called so. */
export const applicationColumns = (table: string): string => columns.map((column) => `${table}.${column}`).join(", ")

const byName = (marks: string): string =>
  `SELECT ${applicationColumns("applications")}, token_count FROM applications WHERE app_name IN (${marks})`

export const applicationOf = (row: Row, at = 0): Application => ({
  appName: Columns.text(row, at),
  tenantId: Columns.text(row, at + 1),
  createdAt: Columns.whole(row, at + 2),
  removedAt: Columns.wholeOrNull(row, at + 3),
  outOfService: Columns.wordOrNull(row, at + 4, outReasons),
  decidedAt: Columns.whole(row, at + 5)
})

export interface LoadedApplications {
  readonly applications: ReadonlyMap<string, Application>
  readonly tokenCounts: ReadonlyMap<string, number>
}

export const loadApplications = async (
  session: Session,
  tenantId: string,
  appNames: ReadonlyArray<string>
): Promise<LoadedApplications> => {
  const applications = new Map<string, Application>()
  const tokenCounts = new Map<string, number>()
  for (const row of await Columns.rowsIn(session, byName, Array.from(new Set(appNames)))) {
    const application = applicationOf(row)
    applications.set(application.appName, application)
    if (application.tenantId === tenantId) tokenCounts.set(application.appName, Columns.whole(row, 6))
  }
  return { applications, tokenCounts }
}
