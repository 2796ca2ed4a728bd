/** Locks a tenant's counters and reads the tenant: what every transaction begins with. */
import { tenantLimitNames } from "../../../domain/PlatformSettings.ts"
import { type Tenant, type TenantSettings, withSettings } from "../../../domain/Tenant.ts"
import type { Stock } from "../../Stock.ts"
import * as Columns from "../Columns.ts"
import type { Row, Session } from "../MariadbConnection.ts"

export interface Counters {
  readonly revocationSeq: number
  readonly auditSeq: number
  /** Hex; null before the first audit row. */
  readonly auditHash: string | null
  readonly tokenCount: number
  readonly stock: Stock
}

export interface LockedTenant {
  /** Undefined: there never was such a tenant, and nothing is locked. */
  readonly counters: Counters | undefined
  readonly tenant: Tenant | undefined
  readonly now: number
}

const columns = [
  "tenant_id",
  "name",
  "created_at",
  "removed_at",
  "issuer",
  "audience",
  "jwks_uri",
  "retention",
  "limits",
  "settings_mac"
]
const numbers = new Set(["created_at", "removed_at", "retention"])
/** What `tenantOf` reads, of a table that is called so. Many are read together: no number of one ends the reading. */
export const tenantColumns = (table: string): string =>
  columns
    .map((column) => (numbers.has(column) ? Columns.clampedSql(`${table}.${column}`) : `${table}.${column}`))
    .join(", ")

/** The clock is read after the lock was got, so that times within a tenant do not run backwards. */
const lockSql = `SELECT c.revocation_seq, c.audit_seq, c.audit_hash, c.token_count, c.live_tokens, c.live_credentials,
    c.live_clients, ${Columns.momentSql}, ${tenantColumns("t")}
  FROM tenant_counters c LEFT JOIN tenants t ON t.tenant_id = c.tenant_id
  WHERE c.tenant_id = ? FOR UPDATE`
const clockSql = `SELECT ${Columns.momentSql}`
/** Counters outlive their tenant: its sequences never start again. */
const makeCountersSql = "INSERT IGNORE INTO tenant_counters (tenant_id) VALUES (?)"

const writtenOf = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const written: unknown = JSON.parse(text)
    return typeof written === "object" && written !== null ? (written as Readonly<Record<string, unknown>>) : {}
  } catch {
    return {}
  }
}
/** What makes no sense was written by somebody else, and says nothing: whether the row holds, its tag tells. */
const limitsOf = (text: string | null): TenantSettings["limits"] => {
  const written = text === null ? {} : writtenOf(text)
  return Object.fromEntries(
    tenantLimitNames.flatMap((name) => (typeof written[name] === "number" ? [[name, written[name]]] : []))
  )
}

/** Total, for the same reason. */
export const tenantOf = (row: Row, at = 0): Tenant => {
  const issuer = Columns.textOrNull(row, at + 4)
  const { mac } = Columns.macOf(row, at + 9)
  return withSettings(
    {
      ...(mac === undefined ? {} : { settingsMac: mac }),
      tenantId: Columns.text(row, at),
      name: Columns.textOrNull(row, at + 1),
      createdAt: Columns.whole(row, at + 2),
      removedAt: Columns.wholeOrNull(row, at + 3)
    },
    {
      issuer:
        issuer === null
          ? null
          : { issuer, audience: Columns.textOrNull(row, at + 5) ?? "", jwksUri: Columns.textOrNull(row, at + 6) },
      retentionMs: Columns.wholeOrNull(row, at + 7),
      limits: limitsOf(Columns.textOrNull(row, at + 8))
    }
  )
}

/** @param creates whether counters that are not there are made */
export const lockTenant = async (session: Session, tenantId: string, creates = false): Promise<LockedTenant> => {
  let [row] = await session.rows(lockSql, [tenantId])
  if (row === undefined && creates) {
    await session.run(makeCountersSql, [tenantId])
    row = (await session.rows(lockSql, [tenantId]))[0]
  }
  if (row === undefined) {
    const [clock] = await session.rows(clockSql)
    return { counters: undefined, tenant: undefined, now: Columns.whole(clock ?? [], 0) }
  }
  return {
    counters: {
      revocationSeq: Columns.whole(row, 0),
      auditSeq: Columns.whole(row, 1),
      auditHash: row[2] === null ? null : Columns.bytes(row, 2).toString("hex"),
      tokenCount: Columns.whole(row, 3),
      stock: { tokens: Columns.whole(row, 4), credentials: Columns.whole(row, 5), clients: Columns.whole(row, 6) }
    },
    now: Columns.whole(row, 7),
    tenant: row[8] === null ? undefined : tenantOf(row, 8)
  }
}
