/** Writes the messages that have to leave, in their order, and the revocation that some of them wait for. */

import type { Changes, OutboxEntry } from "../../TenantStore.ts"
import * as Columns from "../Columns.ts"
import type { Session, Value } from "../MariadbConnection.ts"

export const outboxStreams = ["events", "revocations"] as const

export const insertOutboxSql = `INSERT INTO outbox
    (tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at, revocation_seq)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
const pendingSql = "INSERT INTO pending_revocations (tenant_id, seq, committed_at, targets) VALUES (?, ?, ?, ?)"

export const outboxValues = (
  tenantId: string,
  entry: OutboxEntry,
  now: number,
  revocationSeq: number | null
): ReadonlyArray<Value> => [
  tenantId,
  Columns.uuidBytes(entry.eventId),
  outboxStreams.indexOf(entry.stream),
  entry.subject,
  entry.entityKey,
  JSON.stringify(entry.headers),
  Columns.sameBytes(entry.payload),
  now,
  revocationSeq
]

export const applyOutbox = (
  session: Session,
  tenantId: string,
  changes: Pick<Changes, "outbox" | "revocation">,
  now: number
): ReadonlyArray<Promise<unknown>> => {
  const { outbox, revocation } = changes
  return [
    session.batch(
      pendingSql,
      revocation === null ? [] : [[tenantId, revocation.seq, now, JSON.stringify(revocation.targets)]]
    ),
    session.batch(
      insertOutboxSql,
      outbox.map((entry) =>
        outboxValues(tenantId, entry, now, entry.afterRevocation && revocation !== null ? revocation.seq : null)
      )
    )
  ]
}
