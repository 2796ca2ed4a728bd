/** What `config.show` says of the platform around us. */
import type { InForceSettings, PlatformReport, SystemReport } from "../actors/tenant/Platform.ts"
import type { PlatformAnswer } from "../schema/AdminJson.ts"
import { formatDate } from "../schema/Timestamp.ts"

const dateOf = (at: number | null): string | null => (at === null ? null : formatDate(at))

const systemOf = (system: SystemReport | null) =>
  system === null ? null : { url: system.url, readDate: dateOf(system.readAt), problem: system.problem }

const configuredOf = ({ name, refused, refusedAt, settings, since, tenantId }: InForceSettings) => ({
  name,
  tenantId,
  source: "tekton",
  settings,
  sinceDate: formatDate(since),
  refused,
  refusedDate: dateOf(refusedAt)
})

export const encodePlatform = (report: PlatformReport): PlatformAnswer => ({
  tekton: systemOf(report.tekton),
  tenantManager: systemOf(report.tenantManager),
  applications: report.applications.map(configuredOf),
  tenants: report.tenants.map(configuredOf),
  refused: report.refused.map(({ appName, at, reason, system, tenantId }) => ({
    system,
    tenantId,
    appName,
    reason,
    date: formatDate(at)
  }))
})
