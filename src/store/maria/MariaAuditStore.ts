/** `AuditStore` on MariaDB. The promises are those of `AuditStore.ts`; `apply/audit.ts` writes the rows. */
import { Effect, Layer } from "effect"
import { type AuditRow, genesisHash } from "../AuditChain.ts"
import { type AuditBound, type AuditCheckpoint, type AuditHead, type AuditQuery, AuditStore } from "../AuditStore.ts"
import * as Columns from "./Columns.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Row, Session, Value } from "./MariadbConnection.ts"

export const auditColumns = `tenant_id, seq, at, actor, action, entity_type, entity_id, diff, prev_hash, hash,
  version, known_by, bus_account, bus_user, client, correlation_id`

/** Another version than those that this release knows is no row that it can check: read as 2, it does not hold. */
export const auditRowOf = (row: Row): AuditRow => ({
  tenantId: Columns.text(row, 0),
  seq: Columns.whole(row, 1),
  at: Columns.whole(row, 2),
  actor: Columns.text(row, 3),
  action: Columns.text(row, 4),
  entityType: Columns.text(row, 5),
  entityId: Columns.text(row, 6),
  diff: Columns.textOrNull(row, 7),
  prevHash: Columns.bytes(row, 8).toString("hex"),
  hash: Columns.bytes(row, 9).toString("hex"),
  version: Columns.whole(row, 10) === 1 ? 1 : 2,
  by: Columns.textOrNull(row, 11),
  account: Columns.textOrNull(row, 12),
  user: Columns.textOrNull(row, 13),
  client: Columns.textOrNull(row, 14),
  correlationId: Columns.textOrNull(row, 15)
})

const bound = (value: AuditBound, sign: ">=" | "<="): readonly [string, Value] | undefined =>
  value === null ? undefined : "seq" in value ? [`seq ${sign} ?`, value.seq] : [`at ${sign} ?`, value.at]

const list = async (session: Session, tenantId: string, query: AuditQuery) => {
  const parts: ReadonlyArray<readonly [string, Value] | undefined> = [
    ["tenant_id = ?", tenantId],
    query.entityId === null ? undefined : ["entity_id = ?", query.entityId],
    query.action === undefined ? undefined : ["action = ?", query.action],
    bound(query.from, ">="),
    bound(query.to, "<="),
    query.after === null ? undefined : ["seq > ?", Number(query.after)]
  ]
  const given = parts.filter((part) => part !== undefined)
  const sql = `SELECT ${auditColumns} FROM audit WHERE ${given.map(([condition]) => condition).join(" AND ")}
    ORDER BY seq LIMIT ?`
  const rows = await session.rows(sql, [...given.map(([, value]) => value), query.limit + 1])
  const content = rows.slice(0, query.limit).map(auditRowOf)
  const last = content.at(-1)
  return { content, next: rows.length > query.limit && last !== undefined ? String(last.seq) : null }
}

/** Found by the moment, which both rows have from one transaction; along the index of moments. */
export const beginningSql = `SELECT a.seq FROM tenants t STRAIGHT_JOIN audit a FORCE INDEX (ix_audit_at)
    ON a.tenant_id = t.tenant_id AND a.at = t.created_at
  WHERE t.tenant_id = ? AND a.action = 'tenant.created' ORDER BY a.seq DESC LIMIT 1`
const headSql = "SELECT audit_seq, audit_hash FROM tenant_counters WHERE tenant_id = ?"
const checkpointColumns = "tenant_id, seq, hash, at, key_id, signature, number, previous_seq, previous_hash"
const checkpointsSql = `SELECT ${checkpointColumns} FROM audit_checkpoints
  WHERE tenant_id = ? AND seq >= ? ORDER BY seq LIMIT ?`
const newestSql = `SELECT ${checkpointColumns} FROM audit_checkpoints WHERE tenant_id = ? ORDER BY seq DESC LIMIT 1`
/** Of all tenants, so that what somebody else wrote of one must not keep the others from being signed. */
const headsSql = `SELECT t.tenant_id, ${Columns.clampedSql("c.audit_seq")}, c.audit_hash,
    ${Columns.clampedSql("(SELECT COALESCE(MAX(p.seq), 0) FROM audit_checkpoints p WHERE p.tenant_id = t.tenant_id)")}
  FROM tenants t JOIN tenant_counters c ON c.tenant_id = t.tenant_id
  WHERE t.tenant_id > ? ORDER BY t.tenant_id LIMIT ?`

const checkpointOf = (row: Row): AuditCheckpoint => ({
  tenantId: Columns.text(row, 0),
  seq: Columns.whole(row, 1),
  hash: Columns.bytes(row, 2).toString("hex"),
  at: Columns.whole(row, 3),
  keyId: Columns.uuid(row, 4),
  signature: new Uint8Array(Columns.bytes(row, 5)),
  number: Columns.wholeOrNull(row, 6),
  previous:
    row[7] === null || row[8] === null
      ? null
      : { seq: Columns.whole(row, 7), hash: Columns.bytes(row, 8).toString("hex") }
})

const headOf = (tenantId: string, row: Row, at: number): AuditHead =>
  row[at + 1] === null
    ? { seq: 0, hash: genesisHash(tenantId) }
    : { seq: Columns.whole(row, at), hash: Columns.bytes(row, at + 1).toString("hex") }

const make = Effect.map(Mariadb, ({ query: read }) =>
  AuditStore.of({
    list: (tenantId, query) => read("AuditStore.list", (session) => list(session, tenantId, query), tenantId),
    beginning: (tenantId) =>
      read(
        "AuditStore.beginning",
        async (session) => {
          const [row] = await session.rows(beginningSql, [tenantId])
          return row === undefined ? 1 : Columns.whole(row, 0)
        },
        tenantId
      ),
    head: (tenantId) =>
      read(
        "AuditStore.head",
        async (session) => {
          const [row] = await session.rows(headSql, [tenantId])
          return row === undefined ? { seq: 0, hash: genesisHash(tenantId) } : headOf(tenantId, row, 0)
        },
        tenantId
      ),
    checkpoints: (tenantId, fromSeq, limit) =>
      read(
        "AuditStore.checkpoints",
        async (session) => (await session.rows(checkpointsSql, [tenantId, fromSeq, limit])).map(checkpointOf),
        tenantId
      ),
    newestCheckpoint: (tenantId) =>
      read(
        "AuditStore.newestCheckpoint",
        async (session) => {
          const [row] = await session.rows(newestSql, [tenantId])
          return row === undefined ? null : checkpointOf(row)
        },
        tenantId
      ),
    heads: (after, limit) =>
      read("AuditStore.heads", async (session) =>
        (await session.rows(headsSql, [after, limit])).map((row) => {
          const tenantId = Columns.text(row, 0)
          return { tenantId, ...headOf(tenantId, row, 1), signedSeq: Columns.whole(row, 3) }
        })
      )
  })
)

export const layer: Layer.Layer<AuditStore, never, Mariadb> = Layer.effect(AuditStore, make)
