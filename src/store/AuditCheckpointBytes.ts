/**
 * What a checkpoint of an audit chain signs: one text, so that anyone can make it from an event.
 *
 * One without a number is from before checkpoints named the one before them.
 */
import type { AuditCheckpoint } from "./AuditStore.ts"

export const signedBytes = ({
  at,
  hash,
  number,
  previous,
  seq,
  tenantId
}: Omit<AuditCheckpoint, "keyId" | "signature">): Uint8Array => {
  const parts =
    number === null
      ? ["cm-audit-checkpoint-1", tenantId, seq, hash, at]
      : ["cm-audit-checkpoint-2", tenantId, seq, hash, at, number, previous?.seq ?? null, previous?.hash ?? null]
  return new TextEncoder().encode(JSON.stringify(parts))
}
