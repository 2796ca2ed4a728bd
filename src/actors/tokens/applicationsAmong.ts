/** A page of the tenant's applications by name: all, or of the named ones those that are its own, for somebody who may not see all. */
import { Effect } from "effect"
import { appNamePattern } from "../../domain/Names.ts"
import { isInService } from "../../domain/Tenant.ts"
import type { TenantStore } from "../../store/TenantStore.ts"

export const applicationsAmong = (
  store: Pick<TenantStore["Service"], "findApplications" | "listApplications">,
  tenantId: string,
  among: ReadonlyArray<string> | null,
  { after, limit }: { readonly limit: number; readonly after: string | null }
) => {
  if (among === null) return store.listApplications(tenantId, { after, limit })
  const names = Array.from(new Set(among)).filter((name) => appNamePattern.test(name) && name > (after ?? ""))
  return Effect.map(names.length === 0 ? Effect.succeed([]) : store.findApplications(names, tenantId), (found) => {
    const rest = found
      .filter((application) => application.tenantId === tenantId && isInService(application))
      .toSorted((a, b) => (a.appName < b.appName ? -1 : 1))
    const content = rest.slice(0, limit)
    return { content, next: rest.length > limit ? (content.at(-1)?.appName ?? null) : null }
  })
}
