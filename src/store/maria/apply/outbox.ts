/** Writes the messages that have to leave, in their order, and the revocation that some of them wait for. */

import type { Changes } from "../../TenantStore.ts"
import * as Columns from "../Columns.ts"
import type { Session } from "../MariadbConnection.ts"

export const outboxStreams = ["events", "revocations"] as const

const insertSql = `INSERT INTO outbox
    (tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at, revocation_seq)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
const pendingSql = "INSERT INTO pending_revocations (tenant_id, seq, committed_at, targets) VALUES (?, ?, ?, ?)"

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
      insertSql,
      outbox.map((entry) => [
        tenantId,
        Columns.uuidBytes(entry.eventId),
        outboxStreams.indexOf(entry.stream),
        entry.subject,
        entry.entityKey,
        JSON.stringify(entry.headers),
        Buffer.from(entry.payload),
        now,
        entry.afterRevocation && revocation !== null ? revocation.seq : null
      ])
    )
  ]
}
