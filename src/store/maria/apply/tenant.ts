/** Creates a tenant, moves its counters on, and marks it as removed. */

import type { Changes } from "../../TenantStore.ts"
import type { Counters } from "../load/tenant.ts"
import type { Session } from "../MariadbConnection.ts"

const countersSql = `UPDATE tenant_counters SET revocation_seq = ?, audit_seq = ?, audit_hash = ?, token_count = ?
  WHERE tenant_id = ?`
const createSql = "INSERT INTO tenants (tenant_id, name, created_at) VALUES (?, ?, ?)"
const removeSql = "UPDATE tenants SET removed_at = ? WHERE tenant_id = ? AND removed_at IS NULL"

export const applyCounters = (
  session: Session,
  tenantId: string,
  counters: Counters
): ReadonlyArray<Promise<unknown>> => [
  session.run(countersSql, [
    counters.revocationSeq,
    counters.auditSeq,
    counters.auditHash === null ? null : Buffer.from(counters.auditHash, "hex"),
    counters.tokenCount,
    tenantId
  ])
]

export const applyTenantCreated = (
  session: Session,
  tenantId: string,
  created: Changes["tenantCreated"],
  now: number
): ReadonlyArray<Promise<unknown>> =>
  created === undefined ? [] : [session.run(createSql, [tenantId, created.name, now])]

export const applyTenantRemoved = (
  session: Session,
  tenantId: string,
  removed: boolean,
  now: number
): ReadonlyArray<Promise<unknown>> => (removed ? [session.run(removeSql, [now, tenantId])] : [])
