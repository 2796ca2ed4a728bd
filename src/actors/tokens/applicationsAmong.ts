/** Of named applications those that are the tenant's, as a page by name: what somebody may see who may not see all. */
import { Effect } from "effect"
import { appNamePattern } from "../../domain/Names.ts"
import type { TenantStore } from "../../store/TenantStore.ts"

export const applicationsAmong = (
  store: Pick<TenantStore["Service"], "findApplications">,
  tenantId: string,
  among: ReadonlyArray<string>,
  { after, limit }: { readonly limit: number; readonly after: string | null }
) => {
  const names = Array.from(new Set(among)).filter((name) => appNamePattern.test(name) && name > (after ?? ""))
  return Effect.map(names.length === 0 ? Effect.succeed([]) : store.findApplications(names), (found) => {
    const rest = found
      .filter((application) => application.tenantId === tenantId && application.removedAt === null)
      .toSorted((a, b) => (a.appName < b.appName ? -1 : 1))
    const content = rest.slice(0, limit)
    return { content, next: rest.length > limit ? (content.at(-1)?.appName ?? null) : null }
  })
}
