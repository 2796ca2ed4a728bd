/**
 * Creating a tenant: what its audit chain says first (again when a purged tenant is created again), and
 * the transaction for one that nobody asked for by request. Both layers of `TenantStore` use it.
 */
import { Effect } from "effect"
import type { AuditEntry, Changes, Load, TenantStore } from "./TenantStore.ts"

export const tenantCreated = (tenantId: string, name: string | null, actor: string): AuditEntry => ({
  actor,
  action: "tenant.created",
  entityType: "tenant",
  entityId: tenantId,
  diff: { name }
})

const load: Load = {
  tokenIds: [],
  tokenHashes: [],
  endpointIds: [],
  endpointCounts: [],
  appNames: [],
  idempotencyKeyHashes: [],
  createsTenant: true
}

const nothing: Changes = {
  tokensInserted: [],
  tokensUpdated: [],
  tokensDeleted: [],
  applicationsInserted: [],
  applicationsRemoved: [],
  tenantRemoved: false,
  revocation: null,
  outbox: [],
  idempotent: [],
  audit: []
}

export const createTenant =
  (transact: TenantStore["Service"]["transact"]): TenantStore["Service"]["createTenant"] =>
  (tenantId, name) =>
    transact(tenantId, load, ({ tenant }) =>
      tenant !== undefined
        ? { changes: nothing, result: "exists" as const }
        : {
            changes: { ...nothing, tenantCreated: { name }, audit: [tenantCreated(tenantId, name, "service")] },
            result: "created" as const
          }
    ).pipe(Effect.catchTag("StatementRejected", (rejected) => Effect.die(rejected)))
