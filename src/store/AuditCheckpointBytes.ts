/** What a checkpoint of an audit chain signs: one text, so that anyone can make it from an event. */
import type { AuditCheckpoint } from "./AuditStore.ts"

export const signedBytes = ({
  at,
  hash,
  seq,
  tenantId
}: Pick<AuditCheckpoint, "tenantId" | "seq" | "hash" | "at">): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(["cm-audit-checkpoint-1", tenantId, seq, hash, at]))
