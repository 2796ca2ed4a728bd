/** Applications by name, whoever's they are, with their numbers of tokens. */
import { type Application, outReasons } from "../../../domain/Tenant.ts"
import * as Columns from "../Columns.ts"
import type { Row, Session } from "../MariadbConnection.ts"

const byName = (marks: string): string =>
  `SELECT app_name, tenant_id, created_at, removed_at, out_of_service, decided_at, token_count FROM applications WHERE app_name IN (${marks})`

export const applicationOf = (row: Row): Application => ({
  appName: Columns.text(row, 0),
  tenantId: Columns.text(row, 1),
  createdAt: Columns.whole(row, 2),
  removedAt: Columns.wholeOrNull(row, 3),
  outOfService: Columns.wordOrNull(row, 4, outReasons),
  decidedAt: Columns.whole(row, 5)
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
