/** `PlatformStore` on MariaDB: single statements; what must not be undone by something older says so itself. */
import { Effect, Layer } from "effect"
import { outReasons } from "../../domain/Tenant.ts"
import { type ApplicationRow, PlatformStore, type SettingsRow, type TenantRow } from "../PlatformStore.ts"
import * as Columns from "./Columns.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Row } from "./MariadbConnection.ts"

const applicationColumns = "SELECT app_name, tenant_id, removed_at IS NOT NULL, out_of_service FROM applications"
const ofTenantsSql = (marks: string): string => `${applicationColumns} WHERE tenant_id IN (${marks})`
const namedSql = (marks: string): string => `${applicationColumns} WHERE app_name IN (${marks})`

const tenantColumns = `SELECT COALESCE(t.tenant_id, p.tenant_id), t.tenant_id IS NULL, t.removed_at IS NOT NULL,
    ${Columns.clampedSql("p.ended_at")}, ${Columns.clampedSql("p.named_at")}, p.end_done, t.issuer, t.audience, t.jwks_uri`
const withMarks = `${tenantColumns} FROM tenants t LEFT JOIN platform_tenants p ON p.tenant_id = t.tenant_id`
const onlyMarks = `${tenantColumns} FROM platform_tenants p LEFT JOIN tenants t ON t.tenant_id = p.tenant_id`
const allTenantsSql = `${withMarks} UNION ${onlyMarks} WHERE t.tenant_id IS NULL`
const someTenantsSql = (marks: string): string => `${withMarks} WHERE t.tenant_id IN (${marks})`
const someMarksSql = (marks: string): string => `${onlyMarks} WHERE t.tenant_id IS NULL AND p.tenant_id IN (${marks})`

/** An end that was carried out is not carried out again, also not when it is delivered again after a newer one. */
const markEndedSql = `INSERT INTO platform_tenants (tenant_id, ended_at, end_done) VALUES (?, ?, 0)
  ON DUPLICATE KEY UPDATE end_done = IF(ended_at IS NULL OR ended_at < VALUES(ended_at), 0, end_done),
    ended_at = GREATEST(COALESCE(ended_at, 0), VALUES(ended_at))`
const isDoneSql = "SELECT end_done FROM platform_tenants WHERE tenant_id = ? AND (ended_at > ? OR end_done = 1)"
const endDoneSql = "UPDATE platform_tenants SET end_done = 1 WHERE tenant_id = ? AND ended_at <= ?"
const markNamedSql = `INSERT INTO platform_tenants (tenant_id, named_at) VALUES (?, ?)
  ON DUPLICATE KEY UPDATE named_at = GREATEST(COALESCE(named_at, 0), VALUES(named_at))`

/**
 * Of all at once: no number of one row ends the reading, and one that says that it was changed later than now does not move
 * the moment up to which all was read.
 */
const settingsColumns = `SELECT kind, name, tenant_id, settings, ${Columns.clampedSql("since")},
    ${Columns.clampedSql("read_at")}, refused, ${Columns.clampedSql("refused_at")},
    LEAST(${Columns.clampedSql("changed_at")}, ${Columns.momentSql})
  FROM platform_settings`
const settingsSinceSql = `${settingsColumns} FORCE INDEX (ix_platform_settings_changed) WHERE changed_at >= ?`
const settingsOfSql = (kind: string) => (marks: string) =>
  `${settingsColumns} WHERE kind = '${kind}' AND name IN (${marks})`
const isNewer = "VALUES(read_at) >= read_at"
/** The columns are set in this order, so `read_at`, which all look at, comes last. */
const saveSettingsSql = `INSERT INTO platform_settings
    (kind, name, tenant_id, settings, since, refused, refused_at, changed_at, read_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ${Columns.momentSql}, ?)
  ON DUPLICATE KEY UPDATE tenant_id = IF(${isNewer}, VALUES(tenant_id), tenant_id),
    settings = IF(${isNewer}, VALUES(settings), settings), since = IF(${isNewer}, VALUES(since), since),
    refused = IF(${isNewer}, VALUES(refused), refused), refused_at = IF(${isNewer}, VALUES(refused_at), refused_at),
    changed_at = IF(${isNewer}, VALUES(changed_at), changed_at), read_at = GREATEST(read_at, VALUES(read_at))`

const withdrawalsSql = `SELECT app_name, tenant_id, after_token_id, ${Columns.clampedSql("taken_at")}
  FROM application_withdrawals WHERE app_name > ? ORDER BY app_name LIMIT ?`
const tokensAfterSql = `SELECT token_id FROM tokens
  WHERE tenant_id = ? AND app_name = ? AND token_id > ? AND created_at <= ? ORDER BY token_id LIMIT ?`
const dropWithdrawalSql = "DELETE FROM application_withdrawals WHERE app_name = ?"

/** Nothing was made or seen later than now. */
const seenSql = `SELECT LEAST(${Columns.clampedSql("made_at")}, ${Columns.momentSql}), ${Columns.clampedSql("lost_up_to")},
    LEAST(GREATEST(seen_at, 0), ${Columns.momentSql})
  FROM platform_inbox WHERE id = 1`
const saveSeenSql = "REPLACE INTO platform_inbox (id, made_at, lost_up_to, seen_at) VALUES (1, ?, ?, ?)"

const applicationOf = (row: Row): ApplicationRow => ({
  appName: Columns.text(row, 0),
  tenantId: Columns.text(row, 1),
  isRemoved: Columns.whole(row, 2) === 1,
  out: Columns.wordOrNull(row, 3, outReasons)
})

const tenantOf = (row: Row): TenantRow => {
  const [endedAt, namedAt] = [Columns.wholeOrNull(row, 3), Columns.wholeOrNull(row, 4)]
  const isDone = Columns.wholeOrNull(row, 5) === 1
  return {
    tenantId: Columns.text(row, 0),
    row: Columns.whole(row, 1) === 1 ? "none" : Columns.whole(row, 2) === 1 ? "being_removed" : "served",
    mark: endedAt === null ? null : namedAt !== null && namedAt > endedAt && isDone ? "named_again" : "ended",
    issuer:
      // Both or neither, unless somebody else wrote it.
      row[6] === null || row[7] === null
        ? null
        : { issuer: Columns.text(row, 6), audience: Columns.text(row, 7), jwksUri: Columns.textOrNull(row, 8) }
  }
}

const settingsKinds = ["application", "tenant"] as const
/** Of a kind that this release knows. */
const isKnown = (row: Row): boolean => settingsKinds.some((kind) => kind === row[0])
const settingsOf = (row: Row): SettingsRow & { readonly changedAt: number } => ({
  kind: Columns.word(row, 0, settingsKinds),
  name: Columns.text(row, 1),
  tenantId: Columns.text(row, 2),
  settings: Columns.textOrNull(row, 3),
  since: Columns.whole(row, 4),
  readAt: Columns.whole(row, 5),
  refused: Columns.textOrNull(row, 6),
  refusedAt: Columns.wholeOrNull(row, 7),
  changedAt: Columns.whole(row, 8)
})

const make = Effect.map(Mariadb, ({ query }) =>
  PlatformStore.of({
    now: query("PlatformStore.now", async (session) => {
      const [row] = await session.rows(`SELECT ${Columns.momentSql}`)
      return Columns.whole(row ?? [], 0)
    }),
    applicationsOf: (tenantIds) =>
      query("PlatformStore.applicationsOf", async (session) =>
        (await Columns.rowsIn(session, ofTenantsSql, Array.from(new Set(tenantIds)))).map(applicationOf)
      ),
    applicationsNamed: (appNames) =>
      query("PlatformStore.applicationsNamed", async (session) =>
        (await Columns.rowsIn(session, namedSql, Array.from(new Set(appNames)))).map(applicationOf)
      ),
    tenants: (tenantIds) =>
      query("PlatformStore.tenants", async (session) => {
        if (tenantIds === null) return (await session.rows(allTenantsSql)).map(tenantOf)
        const names = Array.from(new Set(tenantIds))
        const rows = [
          ...(await Columns.rowsIn(session, someTenantsSql, names)),
          ...(await Columns.rowsIn(session, someMarksSql, names))
        ]
        return rows.map(tenantOf)
      }),

    markEnded: (tenantId, at) =>
      query("PlatformStore.markEnded", async (session) => {
        await session.run(markEndedSql, [tenantId, at])
        return (await session.rows(isDoneSql, [tenantId, at])).length === 0
      }),
    markEndDone: (tenantId, at) =>
      query("PlatformStore.markEndDone", async (session) => void (await session.run(endDoneSql, [tenantId, at]))),
    markNamed: (tenantId, at) =>
      query("PlatformStore.markNamed", async (session) => void (await session.run(markNamedSql, [tenantId, at]))),

    settingsSince: (changedAt) =>
      query("PlatformStore.settingsSince", async (session) =>
        (await session.rows(settingsSinceSql, [changedAt])).filter(isKnown).map(settingsOf)
      ),
    settingsOf: (kind, names) =>
      query("PlatformStore.settingsOf", async (session) =>
        (await Columns.rowsIn(session, settingsOfSql(kind), Array.from(new Set(names)))).map(settingsOf)
      ),
    saveSettings: (rows) =>
      query("PlatformStore.saveSettings", async (session) => {
        await session.batch(
          saveSettingsSql,
          rows.map((row) => [
            row.kind,
            row.name,
            row.tenantId,
            row.settings,
            row.since,
            row.refused,
            row.refusedAt,
            row.readAt
          ])
        )
      }),

    withdrawals: (after, limit) =>
      query("PlatformStore.withdrawals", async (session) =>
        (await session.rows(withdrawalsSql, [after, limit])).map((row) => ({
          appName: Columns.text(row, 0),
          tenantId: Columns.text(row, 1),
          afterTokenId: Columns.uuid(row, 2),
          takenAt: Columns.whole(row, 3)
        }))
      ),
    tokensAfter: ({ afterTokenId, appName, takenAt, tenantId }, limit) =>
      query("PlatformStore.tokensAfter", async (session) => {
        const values = [tenantId, appName, Columns.uuidBytes(afterTokenId), takenAt, limit]
        return (await session.rows(tokensAfterSql, values)).map((row) => Columns.uuid(row, 0))
      }),
    dropWithdrawal: (appName) =>
      query("PlatformStore.dropWithdrawal", async (session) => void (await session.run(dropWithdrawalSql, [appName]))),

    inboxSeen: query("PlatformStore.inboxSeen", async (session) => {
      const [row] = await session.rows(seenSql)
      return row === undefined
        ? null
        : { madeAt: Columns.whole(row, 0), lostUpTo: Columns.whole(row, 1), seenAt: Columns.whole(row, 2) }
    }),
    saveInboxSeen: ({ lostUpTo, madeAt, seenAt }) =>
      query("PlatformStore.saveInboxSeen", async (session) => {
        await session.run(saveSeenSql, [madeAt, lostUpTo, seenAt])
      })
  })
)

export const layer: Layer.Layer<PlatformStore, never, Mariadb> = Layer.effect(PlatformStore, make)
