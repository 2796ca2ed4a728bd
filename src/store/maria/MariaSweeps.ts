/**
 * `Sweeps` on MariaDB: every search goes along an index that holds nothing but what it looks for, so
 * a sweep over millions of tokens with nothing to do reads nothing.
 */
import { Effect, Layer } from "effect"
import { claimMsMax, Sweeps } from "../Sweeps.ts"
import * as Columns from "./Columns.ts"
import * as HeldClaims from "./HeldClaims.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"
import * as RowNumbers from "./RowNumbers.ts"

const takeOverSql = `UPDATE sweep_claims SET replica_id = ?, expires_at = ${Columns.nowSql} + ?
  WHERE sweep = ? AND (replica_id = ? OR expires_at <= ${Columns.nowSql} OR expires_at > ${Columns.nowSql} + ${claimMsMax})`
const firstClaimSql = `INSERT IGNORE INTO sweep_claims (sweep, replica_id, expires_at) VALUES (?, ?, ${Columns.nowSql} + ?)`
const releaseSql = "UPDATE sweep_claims SET expires_at = 0 WHERE replica_id = ?"

/** `due_at` is null for a token that is Revoked already. */
export const endedSql = `SELECT tenant_id, token_id, app_name, endpoint_id FROM tokens FORCE INDEX (ix_tokens_due)
  WHERE due_at <= ${Columns.nowSql} ORDER BY due_at LIMIT ?`
export const orphansOfApplicationsSql = `SELECT t.tenant_id, t.token_id, t.app_name, t.endpoint_id
  FROM applications a FORCE INDEX (ix_applications_removed)
    STRAIGHT_JOIN tokens t FORCE INDEX (ix_tokens_application) ON t.tenant_id = a.tenant_id AND t.app_name = a.app_name
  WHERE a.removed_at > 0 LIMIT ?`
export const orphansOfTenantsSql = `SELECT t.tenant_id, t.token_id, t.app_name, t.endpoint_id
  FROM tenants n FORCE INDEX (ix_tenants_removed)
    STRAIGHT_JOIN tokens t FORCE INDEX (ix_tokens_tenant) ON t.tenant_id = n.tenant_id
  WHERE n.removed_at > 0 LIMIT ?`

/**
 * A name is free again only when nothing of it can still be in a cache: its tokens' rows are gone and
 * no revocation of its tenant is pending.
 */
const nothingPendingSql = "NOT EXISTS (SELECT 1 FROM pending_revocations p WHERE p.tenant_id = a.tenant_id)"
/** Nothing of what follows has anything to do otherwise. */
const isAnythingRemovedSql = `SELECT
    EXISTS (SELECT 1 FROM tenants FORCE INDEX (ix_tenants_removed) WHERE removed_at IS NOT NULL)
    OR EXISTS (SELECT 1 FROM applications FORCE INDEX (ix_applications_removed) WHERE removed_at IS NOT NULL)`
const purgeApplicationsSql = `DELETE a FROM applications a
  WHERE a.removed_at > 0 AND a.token_count = 0 AND ${nothingPendingSql}`
const purgeApplicationsOfTenantsSql = `DELETE a FROM tenants n
    STRAIGHT_JOIN applications a ON a.tenant_id = n.tenant_id
  WHERE n.removed_at > 0 AND a.token_count = 0 AND ${nothingPendingSql}`
const purgeTenantsSql = `DELETE a FROM tenants a
  WHERE a.removed_at > 0 AND ${nothingPendingSql}
    AND NOT EXISTS (SELECT 1 FROM applications x WHERE x.tenant_id = a.tenant_id)
    AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.tenant_id = a.tenant_id)
    AND NOT EXISTS (SELECT 1 FROM credentials c WHERE c.tenant_id = a.tenant_id)
    AND NOT EXISTS (SELECT 1 FROM client_credentials c WHERE c.tenant_id = a.tenant_id)`
const purgeProviderSecretsSql = `DELETE v FROM credential_versions v
  JOIN providers p ON p.provider_id = v.credential_id JOIN tenants n ON n.tenant_id = p.tenant_id
  WHERE n.removed_at IS NOT NULL`
const purgeProvidersSql =
  "DELETE p FROM providers p JOIN tenants n ON n.tenant_id = p.tenant_id WHERE n.removed_at IS NOT NULL"
const purgeRotatorsSql =
  "DELETE r FROM rotators r JOIN tenants n ON n.tenant_id = r.tenant_id WHERE n.removed_at IS NOT NULL"
const purgeServicesSql = `DELETE s FROM tenants a FORCE INDEX (ix_tenants_removed)
    STRAIGHT_JOIN tenant_services s ON s.tenant_id = a.tenant_id
  WHERE a.removed_at > 0`
/** Those made since its removal, by who was moving rows just then. */
const endKeysSql = `UPDATE tenants a FORCE INDEX (ix_tenants_removed)
    STRAIGHT_JOIN data_keys k FORCE INDEX (ix_data_keys_tenant) ON k.tenant_id = a.tenant_id
  SET k.ended_at = a.removed_at, k.ended_retention = a.retention, k.state = IF(k.state = 'active', 'retiring', k.state)
  WHERE a.removed_at > 0 AND k.ended_at IS NULL AND k.wrapped <> ''`
const purgeIdempotentSql = `DELETE FROM idempotency WHERE created_at < ${Columns.nowSql} - ? ORDER BY created_at LIMIT ?`

const tokenRefOf = (row: Row) => ({
  tenantId: Columns.text(row, 0),
  tokenId: Columns.uuid(row, 1),
  place: `${Columns.text(row, 2)}/${Columns.text(row, 3)}`
})

const claim = async (session: Session, sweep: string, process: string, ttlMs: number): Promise<boolean> => {
  if ((await session.run(takeOverSql, [process, ttlMs, sweep, process])) > 0) return true
  return (await session.run(firstClaimSql, [sweep, process, ttlMs])) > 0
}

const orphans = async (session: Session, limit: number) => {
  const ofApplications = await session.rows(orphansOfApplicationsSql, [limit])
  const left = limit - ofApplications.length
  const ofTenants = left > 0 ? await session.rows(orphansOfTenantsSql, [left]) : []
  const found = new Map([...ofApplications, ...ofTenants].map(tokenRefOf).map((token) => [token.tokenId, token]))
  return Array.from(found.values())
}

const purgeRemoved = async (session: Session) => {
  const [isAnythingRemoved] = await session.rows(isAnythingRemovedSql, [])
  if (Columns.whole(isAnythingRemoved!, 0) === 0) return { applications: 0, tenants: 0 }
  const applications = (await session.run(purgeApplicationsSql)) + (await session.run(purgeApplicationsOfTenantsSql))
  await session.run(purgeServicesSql)
  await session.run(purgeProviderSecretsSql)
  await session.run(purgeProvidersSql)
  await session.run(purgeRotatorsSql)
  await session.run(endKeysSql)
  return { applications, tenants: await session.run(purgeTenantsSql) }
}

const make = Effect.gen(function* () {
  const database = yield* Mariadb
  const ask: Sweeps["Service"]["claim"] = (sweep, process, ttlMs) =>
    database.query("Sweeps.claim", (session) => claim(session, sweep, process, ttlMs))
  const { forget, hold } = yield* HeldClaims.make(ask, (body) => database.query("Sweeps.hold", body))
  return Sweeps.of({
    claim: ask,
    hold,
    release: (process) =>
      Effect.andThen(
        forget(process),
        Effect.asVoid(database.query("Sweeps.release", (session) => session.run(releaseSql, [process])))
      ),
    endedTokens: (limit) =>
      database.query("Sweeps.endedTokens", async (session) => (await session.rows(endedSql, [limit])).map(tokenRefOf)),
    orphanedTokens: (limit) => database.query("Sweeps.orphanedTokens", (session) => orphans(session, limit)),
    purgeRemoved: database.query("Sweeps.purgeRemoved", purgeRemoved),
    purgeIdempotent: (ageMs, limit) =>
      database.query("Sweeps.purgeIdempotent", (session) => session.run(purgeIdempotentSql, [ageMs, limit])),
    putNumbersBack: database.query("Sweeps.putNumbersBack", RowNumbers.putNumbersBack)
  })
})

export const layer: Layer.Layer<Sweeps, never, Mariadb> = Layer.effect(Sweeps, make)
