/** Adds rows to a tenant's audit chain. The memory layer makes them with the same `chain`. */
import { type AuditRow, genesisHash, linkHash } from "../AuditChain.ts"
import type { Session } from "../MariadbConnection.ts"
import type { AuditEntry } from "../TenantStore.ts"

export interface ChainHead {
  readonly seq: number
  /** Hex; null before the first row. */
  readonly hash: string | null
}

/** The rows that follow `head`, linked. */
export const chain = (
  tenantId: string,
  head: ChainHead,
  now: number,
  entries: ReadonlyArray<AuditEntry>
): ReadonlyArray<AuditRow> => {
  let prevHash = head.hash ?? genesisHash(tenantId)
  return entries.map((entry, index) => {
    const row = {
      tenantId,
      seq: head.seq + index + 1,
      at: now,
      actor: entry.actor,
      action: entry.action,
      entityType: entry.entityType,
      entityId: entry.entityId,
      diff: entry.diff === null ? null : JSON.stringify(entry.diff),
      prevHash
    }
    prevHash = linkHash(row)
    return { ...row, hash: prevHash }
  })
}

export const headAfter = (head: ChainHead, rows: ReadonlyArray<AuditRow>): ChainHead => {
  const last = rows.at(-1)
  return last === undefined ? head : { seq: last.seq, hash: last.hash }
}

const insertSql = `INSERT INTO audit
    (tenant_id, seq, at, actor, action, entity_type, entity_id, diff, prev_hash, hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

export const applyAudit = (session: Session, rows: ReadonlyArray<AuditRow>): ReadonlyArray<Promise<unknown>> => [
  session.batch(
    insertSql,
    rows.map((row) => [
      row.tenantId,
      row.seq,
      row.at,
      row.actor,
      row.action,
      row.entityType,
      row.entityId,
      row.diff,
      Buffer.from(row.prevHash, "hex"),
      Buffer.from(row.hash, "hex")
    ])
  )
]
