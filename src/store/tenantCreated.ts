/**
 * Creating a tenant: what its audit chain says first (again when a purged tenant is created again), and
 * the transaction for one that nobody asked for by request. Both layers of `TenantStore` use it.
 */
import { Effect } from "effect"
import { servicePrincipal } from "../domain/Principal.ts"
import { type AuditAct, type AuditWho, emptyLoad, type Load, noChanges, type TenantStore } from "./TenantStore.ts"

export const tenantCreated = (tenantId: string, name: string | null): AuditAct => ({
  action: "tenant.created",
  entityType: "tenant",
  entityId: tenantId,
  diff: { name }
})

const { known, principal } = servicePrincipal("service")
const who: AuditWho = { actor: principal, known, correlationId: "" }

const load: Load = { ...emptyLoad, createsTenant: true }

export const createTenant =
  (transact: TenantStore["Service"]["transact"]): TenantStore["Service"]["createTenant"] =>
  (tenantId, name, macsOf) =>
    transact(tenantId, load, ({ now, tenant }) =>
      tenant !== undefined
        ? { changes: noChanges, result: "exists" as const }
        : {
            changes: {
              ...noChanges,
              tenantCreated: { name },
              ...macsOf?.({ tenantId, name, createdAt: now, removedAt: null }),
              audit: [{ ...who, ...tenantCreated(tenantId, name) }]
            },
            result: "created" as const
          }
    ).pipe(Effect.catchTag("StatementRejected", (rejected) => Effect.die(rejected)))
