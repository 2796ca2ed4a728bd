/** The first row of a tenant's audit chain (and the next, when a purged tenant is created again). */
import type { AuditEntry } from "./TenantStore.ts"

export const tenantCreated = (tenantId: string, name: string | null): AuditEntry => ({
  actor: "service",
  action: "tenant.created",
  entityType: "tenant",
  entityId: tenantId,
  diff: { name }
})
