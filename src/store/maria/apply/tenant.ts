/** Creates a tenant, configures it, moves its counters on, and marks it as removed. */
import { noSettings, type TenantSettings } from "../../../domain/Tenant.ts"
import type { Changes } from "../../TenantStore.ts"
import type { Counters } from "../load/tenant.ts"
import type { Session } from "../MariadbConnection.ts"

const countersSql = `UPDATE tenant_counters SET revocation_seq = ?, audit_seq = ?, audit_hash = ?, token_count = ?,
    live_tokens = ?, live_credentials = ?, live_clients = ?
  WHERE tenant_id = ?`
const createSql = `INSERT INTO tenants
  (tenant_id, created_at, name, issuer, issuer_claimed, audience, jwks_uri, retention, limits)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
const configureSql = `UPDATE tenants
  SET name = ?, issuer = ?, issuer_claimed = ?, audience = ?, jwks_uri = ?, retention = ?, limits = ?
  WHERE tenant_id = ?`
/** A tenant that begins anew has no limits yet: what Tekton says has to be applied to it as if it were news. */
const noLimitsReadSql = "DELETE FROM platform_settings WHERE kind = 'tenant' AND name = ?"
/** Its issuer may be another tenant's from now on; its own tokens are still told from strangers'. */
const removeSql = `UPDATE tenants SET removed_at = ?, issuer_claimed = NULL
  WHERE tenant_id = ? AND removed_at IS NULL`
/** Before it is marked. One who gets its name later makes keys of its own. */
const endKeysSql = `UPDATE data_keys k JOIN tenants t ON t.tenant_id = k.tenant_id
  SET k.ended_at = ?, k.ended_retention = t.retention, k.state = IF(k.state = 'active', 'retiring', k.state)
  WHERE k.tenant_id = ? AND k.ended_at IS NULL AND k.wrapped <> '' AND t.removed_at IS NULL`

const settingsValues = (name: string | null, { issuer, limits, retentionMs }: TenantSettings) => [
  name,
  issuer?.issuer ?? null,
  issuer?.issuer ?? null,
  issuer?.audience ?? null,
  issuer?.jwksUri ?? null,
  retentionMs,
  Object.keys(limits).length === 0 ? null : JSON.stringify(limits)
]

export const applyCounters = (
  session: Session,
  tenantId: string,
  counters: Counters
): ReadonlyArray<Promise<unknown>> => [
  session.batch(countersSql, [
    [
      counters.revocationSeq,
      counters.auditSeq,
      counters.auditHash === null ? null : Buffer.from(counters.auditHash, "hex"),
      counters.tokenCount,
      counters.stock.tokens,
      counters.stock.credentials,
      counters.stock.clients,
      tenantId
    ]
  ])
]

export const applyTenantCreated = (
  session: Session,
  tenantId: string,
  created: Changes["tenantCreated"],
  now: number
): ReadonlyArray<Promise<unknown>> =>
  created === undefined
    ? []
    : [
        session.run(createSql, [tenantId, now, ...settingsValues(created.name, created.settings ?? noSettings)]),
        session.run(noLimitsReadSql, [tenantId])
      ]

export const applyTenantConfigured = (
  session: Session,
  tenantId: string,
  configured: Changes["tenantConfigured"]
): ReadonlyArray<Promise<unknown>> =>
  configured === undefined
    ? []
    : [session.run(configureSql, [...settingsValues(configured.name, configured.settings), tenantId])]

export const applyTenantRemoved = (
  session: Session,
  tenantId: string,
  removed: boolean,
  now: number
): ReadonlyArray<Promise<unknown>> =>
  removed ? [session.run(endKeysSql, [now, tenantId]), session.run(removeSql, [now, tenantId])] : []

export const applyTenantMac = (
  session: Session,
  tenantId: string,
  { tenantMac, tenantSettingsMac }: Pick<Changes, "tenantMac" | "tenantSettingsMac">
): ReadonlyArray<Promise<unknown>> =>
  [
    ["UPDATE tenants SET mac = ? WHERE tenant_id = ?", tenantMac] as const,
    ["UPDATE tenants SET settings_mac = ? WHERE tenant_id = ?", tenantSettingsMac] as const
  ].flatMap(([sql, mac]) => (mac === undefined ? [] : [session.run(sql, [Buffer.from(mac), tenantId])]))
