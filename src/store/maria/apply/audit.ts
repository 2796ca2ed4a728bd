/** Writes rows of a tenant's audit chain. */
import type { AuditRow } from "../../AuditChain.ts"
import type { Session } from "../MariadbConnection.ts"

const insertSql = `INSERT INTO audit
    (tenant_id, seq, at, version, actor, known_by, bus_account, bus_user, client, correlation_id,
      action, entity_type, entity_id, diff, prev_hash, hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** A row's hash is the next one's `prevHash`: its bytes are made once. */
const bytesOfHashes = () => {
  let [text, bytes] = ["", Buffer.alloc(0)]
  return (hash: string): Buffer => {
    if (hash !== text) [text, bytes] = [hash, Buffer.from(hash, "hex")]
    return bytes
  }
}

export const applyAudit = (session: Session, rows: ReadonlyArray<AuditRow>): ReadonlyArray<Promise<unknown>> => {
  const bytesOf = bytesOfHashes()
  return [
    session.batch(
      insertSql,
      rows.map((row) => [
        row.tenantId,
        row.seq,
        row.at,
        row.version,
        row.actor,
        row.by,
        row.account,
        row.user,
        row.client,
        row.correlationId,
        row.action,
        row.entityType,
        row.entityId,
        row.diff,
        bytesOf(row.prevHash),
        bytesOf(row.hash)
      ])
    )
  ]
}
