/**
 * `CredentialStore` on MariaDB: reads of committed rows, each by an index. The promises are those of
 * `CredentialStore.ts`; credentials are written by `MariaTenantStore` (`apply/credentials.ts`).
 */
import { Effect, Layer } from "effect"
import { answerVersionBase, type Credential, isGlobal, type TenantService } from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import type { Page } from "../../domain/Page.ts"
import {
  type CredentialQuery,
  type CredentialRef,
  CredentialStore,
  type CredentialView,
  type PlacedRef,
  type SweepPlace
} from "../CredentialStore.ts"
import * as Columns from "./Columns.ts"
import {
  credentialColumns,
  credentialOf,
  noNoticeYet,
  serviceColumns,
  serviceOf,
  versionColumns,
  versionOf
} from "./CredentialRow.ts"
import { findCredentials, findServices } from "./load/credentials.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Row, Session, Value } from "./MariadbConnection.ts"

const clockSql = `SELECT ${Columns.momentSql}`
const readClock = async (session: Session): Promise<number> => Columns.whole((await session.rows(clockSql))[0] ?? [], 0)

/** Active unless the asking tenant, or `global` for a credential of its own, has switched it off. */
const viewsOf = async (
  session: Session,
  tenantId: string,
  credentials: ReadonlyArray<Credential>
): Promise<ReadonlyArray<CredentialView>> => {
  const services = await findServices(
    session,
    tenantId,
    credentials.map(({ serviceName }) => serviceName)
  )
  const isOn = (owner: string, serviceName: string) => services.get(`${owner}/${serviceName}`)?.isActive ?? true
  return credentials.map((credential) => ({
    credential,
    serviceActive:
      isOn(tenantId, credential.serviceName) && (!isGlobal(credential) || isOn(globalTenantId, credential.serviceName))
  }))
}

// ---- list ----------------------------------------------------------------------

const listStatement = (tenantId: string, query: CredentialQuery): readonly [string, ReadonlyArray<Value>] => {
  const conditions = ["tenant_id = ?"]
  const values: Array<Value> = [tenantId]
  const where = (condition: string, ...given: ReadonlyArray<Value>) => {
    conditions.push(condition)
    values.push(...given)
  }
  if (query.after !== null) where("credential_id < ?", Columns.uuidBytesOrNull(query.after))
  if (query.serviceName !== null) where("service_name = ?", query.serviceName)
  const inForce = `is_active = 1 AND (expires_at IS NULL OR expires_at > ${Columns.nowSql})`
  if (query.isActive === true) where(inForce)
  if (query.isActive === false) where(`NOT (${inForce})`)
  if (query.expiringWithinMs !== null) {
    where(`${inForce} AND due_at <= ${Columns.nowSql} + ?`, query.expiringWithinMs)
  }
  const sql = `SELECT ${credentialColumns} FROM credentials WHERE ${conditions.join(" AND ")}
    ORDER BY credential_id DESC LIMIT ?`
  return [sql, [...values, query.limit + 1]]
}

const list = async (session: Session, tenantId: string, query: CredentialQuery) => {
  const [sql, values] = listStatement(tenantId, query)
  const rows = await session.rows(sql, values)
  const found = rows.slice(0, query.limit).map(credentialOf)
  const last = found.at(-1)
  return {
    content: await viewsOf(session, tenantId, found),
    next: rows.length > query.limit && last !== undefined ? last.credentialId : null,
    now: await readClock(session)
  }
}

// ---- the other reads -------------------------------------------------------------

const historySql = `SELECT ${versionColumns.replace("sealed", "NULL")} FROM credential_versions
  WHERE credential_id = ? AND tenant_id = ? AND version < ${answerVersionBase} ORDER BY version DESC LIMIT ?`
const servicesSql = `SELECT ${serviceColumns} FROM tenant_services WHERE tenant_id = ? AND service_name > ?
  ORDER BY service_name LIMIT ?`
/** A moment that stands before it is in no row of ours, and is not looked for. */
const atFirst: SweepPlace = {
  dueAt: Number.MIN_SAFE_INTEGER,
  credentialId: "00000000-0000-0000-0000-000000000000",
  version: 0
}
export const endedSql = `SELECT tenant_id, credential_id, due_at, 0
  FROM credentials FORCE INDEX (ix_credentials_due)
  WHERE due_at >= ? AND due_at <= ${Columns.nowSql} AND (due_at > ? OR credential_id > ?)
  ORDER BY due_at, credential_id LIMIT ?`
export const overlapsOverSql = `SELECT tenant_id, credential_id, overlap_due_at, version
  FROM credential_versions FORCE INDEX (ix_credential_versions_overlap)
  WHERE overlap_due_at >= ? AND overlap_due_at <= ${Columns.nowSql}
    AND (overlap_due_at > ? OR credential_id > ? OR (credential_id = ? AND version > ?))
  ORDER BY overlap_due_at, credential_id, version LIMIT ?`
const orphanedSql = `SELECT c.tenant_id, c.credential_id FROM tenants n FORCE INDEX (ix_tenants_removed)
    STRAIGHT_JOIN credentials c FORCE INDEX (ix_credentials_tenant) ON c.tenant_id = n.tenant_id
  WHERE n.removed_at > 0 LIMIT ?`
const levelsSql = (column: string, index: string): string =>
  `SELECT ${Columns.clampedSql("level")} FROM (SELECT DISTINCT ${column} AS level FROM credentials FORCE INDEX (${index})) levels`
const noticeLevelsSql = levelsSql("noticed_ms", "ix_credentials_notice")
const noticesDueSql = `SELECT tenant_id, credential_id FROM credentials FORCE INDEX (ix_credentials_notice)
  WHERE noticed_ms = ? AND due_at > ${Columns.nowSql} AND due_at <= ${Columns.nowSql} + ? ORDER BY due_at LIMIT ?`
const grantLevelsSql = levelsSql("refresh_noticed_ms", "ix_credentials_refresh_notice")
const grantNoticesDueSql = `SELECT tenant_id, credential_id FROM credentials FORCE INDEX (ix_credentials_refresh_notice)
  WHERE refresh_noticed_ms = ? AND refresh_final_at > ${Columns.nowSql} AND refresh_final_at <= ${Columns.nowSql} + ?
  ORDER BY refresh_final_at LIMIT ?`
const activeCountsSql = `SELECT service_name, COUNT(*) AS number FROM credentials FORCE INDEX (ix_credentials_service)
  WHERE is_active = 1 GROUP BY service_name ORDER BY number DESC, service_name LIMIT ?`

const placedOf = (row: Row): PlacedRef => {
  const ref = refOf(row)
  const place = { dueAt: Columns.whole(row, 2), credentialId: ref.credentialId, version: Columns.whole(row, 3) }
  return { ...ref, place }
}
const refOf = (row: Row): CredentialRef => ({ tenantId: Columns.text(row, 0), credentialId: Columns.uuid(row, 1) })

const levelsOf = async (session: Session, sql: string): Promise<ReadonlyArray<number>> =>
  (await session.rows(sql)).flatMap((row) => Columns.wholeOrNull(row, 0) ?? [])

/** The notice levels that rows have are few; for each, what has come nearer than the next threshold below. */
const noticesDue = async (session: Session, thresholdsMs: ReadonlyArray<number>, limit: number) => {
  const found: Array<CredentialRef> = []
  const levels = [
    ...(await levelsOf(session, noticeLevelsSql)).map((level) => [level, noticesDueSql] as const),
    ...(await levelsOf(session, grantLevelsSql)).map((level) => [level, grantNoticesDueSql] as const)
  ]
  for (const [level, sql] of levels) {
    const below = thresholdsMs.filter(
      (threshold) => threshold < (level === noNoticeYet ? Number.POSITIVE_INFINITY : level)
    )
    if (below.length === 0 || found.length >= limit) continue
    const rows = await session.rows(sql, [level, Math.max(...below), limit - found.length])
    found.push(...rows.map(refOf))
  }
  return found
}

const make = Effect.map(Mariadb, ({ query: read }) =>
  CredentialStore.of({
    find: (tenantId, load) =>
      read(
        "CredentialStore.find",
        async (session) => {
          const found = await findCredentials(session, tenantId, load)
          const views = await viewsOf(session, tenantId, Array.from(found.values()))
          return { views, now: await readClock(session) }
        },
        tenantId
      ),
    list: (tenantId, query) => read("CredentialStore.list", (session) => list(session, tenantId, query), tenantId),
    versions: (tenantId, credentialId, limit) =>
      read(
        "CredentialStore.versions",
        async (session) => {
          const id = Columns.uuidBytesOrNull(credentialId)
          const rows = id === null ? [] : await session.rows(historySql, [id, tenantId, limit])
          return { versions: rows.map(versionOf), now: await readClock(session) }
        },
        tenantId
      ),
    services: (tenantId, { after, limit }) =>
      read(
        "CredentialStore.services",
        async (session): Promise<Page<TenantService>> => {
          const rows = await session.rows(servicesSql, [tenantId, after ?? "", limit + 1])
          const content = rows.slice(0, limit).map(serviceOf)
          return { content, next: rows.length > limit ? (content.at(-1)?.serviceName ?? null) : null }
        },
        tenantId
      ),
    ended: (limit, after) =>
      read("CredentialStore.ended", async (session) => {
        const { credentialId, dueAt } = after ?? atFirst
        const values = [dueAt, dueAt, Columns.uuidBytes(credentialId), limit]
        return (await session.rows(endedSql, values)).map(placedOf)
      }),
    overlapsOver: (limit, after) =>
      read("CredentialStore.overlapsOver", async (session) => {
        const { credentialId, dueAt, version } = after ?? atFirst
        const id = Columns.uuidBytes(credentialId)
        return (await session.rows(overlapsOverSql, [dueAt, dueAt, id, id, version, limit])).map(placedOf)
      }),
    orphaned: (limit) =>
      read("CredentialStore.orphaned", async (session) => (await session.rows(orphanedSql, [limit])).map(refOf)),
    noticesDue: (thresholdsMs, limit) =>
      read("CredentialStore.noticesDue", (session) => noticesDue(session, thresholdsMs, limit)),
    activeCounts: (limit) =>
      read("CredentialStore.activeCounts", async (session) =>
        (await session.rows(activeCountsSql, [limit])).map((row) => ({
          serviceName: Columns.text(row, 0),
          count: Columns.whole(row, 1)
        }))
      )
  })
)

export const layer: Layer.Layer<CredentialStore, never, Mariadb> = Layer.effect(CredentialStore, make)
