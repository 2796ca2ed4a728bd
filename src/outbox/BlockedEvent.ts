/**
 * The event that tells of an event that cannot be told: `platform.outbox_blocked`, of the tenant `global`.
 *
 * Its id follows from the row's, so that one that was written twice is one message. It says nothing of
 * what stood in the row but where it was to go, cut to a length: the row may have been written by a stranger.
 */
import { createHash } from "node:crypto"
import { globalTenantId } from "../domain/Names.ts"
import { formatDate } from "../schema/Timestamp.ts"
import type { OutboxRow } from "../store/Outbox.ts"
import type { OutboxEntry } from "../store/TenantStore.ts"

export const blockedType = "platform.outbox_blocked"
const subjectLengthMax = 256

/** A UUIDv7 of `now` and a digest. */
const idOf = (row: OutboxRow, now: number): string => {
  const digest = createHash("sha256").update(`${blockedType}/${row.id}/${row.eventId}`).digest("hex")
  const time = row.createdAt > 0 && row.createdAt <= now ? row.createdAt : now
  const hex = Math.min(time, 2 ** 48 - 1)
    .toString(16)
    .padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${digest.slice(0, 3)}-8${digest.slice(3, 6)}-${digest.slice(6, 18)}`
}

/** Whether setting the row aside is to be told; the word of it is not, or one that is refused would have another. */
export const isTold = (row: OutboxRow): boolean => row.headers["ce-type"] !== blockedType

export const blockedEvent = (instance: string, row: OutboxRow, reason: string, now: number): OutboxEntry => {
  const eventId = idOf(row, now)
  const time = formatDate(now)
  const data = {
    eventType: blockedType,
    id: row.id,
    tenantId: row.tenantId,
    eventId: row.eventId,
    stream: row.stream,
    eventSubject: row.subject.slice(0, subjectLengthMax).toWellFormed(),
    bytes: row.bytes ?? row.payload.length,
    reason,
    timestamp: time
  }
  return {
    eventId,
    stream: "events",
    subject: `${instance}.events.v1.${globalTenantId}.${blockedType}`,
    entityKey: `outbox/${row.id}`,
    headers: {
      "ce-specversion": "1.0",
      "ce-id": eventId,
      "ce-source": `/${instance}/${globalTenantId}`,
      "ce-type": blockedType,
      "ce-subject": String(row.id),
      "ce-time": time,
      "ce-entityversion": "1",
      "ce-datacontenttype": "application/json",
      "content-type": "application/json"
    },
    payload: new TextEncoder().encode(JSON.stringify(data)),
    afterRevocation: false
  }
}
