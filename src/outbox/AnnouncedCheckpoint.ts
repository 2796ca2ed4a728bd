/** The event `audit.checkpoint` as it is announced, and read again by who checks what was. */
import { Option, Schema } from "effect"
import { CheckpointEvent } from "../schema/EventJson.ts"
import { checkpointOf } from "../store/AuditCheckpointBytes.ts"
import type { AuditCheckpoint } from "../store/AuditStore.ts"
import type { OutboxRow } from "../store/Outbox.ts"

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(CheckpointEvent))
const text = new TextDecoder()

export const checkpointType = "audit.checkpoint"

export const isCheckpoint = (row: OutboxRow): boolean =>
  row.stream === "events" && row.subject.endsWith(`.${checkpointType}`)

/** Null: it says nothing that could be checked, or not of this tenant. */
export const pointOf = (tenantId: string, data: Uint8Array): AuditCheckpoint | null => {
  const event = decode(text.decode(data))
  if (Option.isNone(event) || event.value.tenant_id !== tenantId) return null
  return checkpointOf(tenantId, event.value)
}
