/**
 * What a checkpoint of an audit chain signs, and what travels of it: one text, so that anyone can make it from an event.
 *
 * One without a number is from before checkpoints named the one before them. One by which a loss was accepted signs
 * a text of its own kind, so that it never passes for another one, nor another one for it.
 */
import type { AuditCheckpoint } from "./AuditStore.ts"

export const signedBytes = (point: Omit<AuditCheckpoint, "keyId" | "signature">): Uint8Array => {
  const { accepted, at, hash, number, previous, seq, tenantId } = point
  const numbered = [tenantId, seq, hash, at, number, previous?.seq ?? null, previous?.hash ?? null]
  const parts =
    accepted !== undefined
      ? ["cm-audit-acceptance-1", ...numbered, accepted.lost.seq, accepted.lost.hash, accepted.by, accepted.reason]
      : number === null
        ? ["cm-audit-checkpoint-1", tenantId, seq, hash, at]
        : ["cm-audit-checkpoint-2", ...numbered]
  return new TextEncoder().encode(JSON.stringify(parts))
}

/** A checkpoint as events, answers and rows have it. */
export interface CheckpointFields {
  readonly seq: number
  readonly hash: string
  readonly at: number
  readonly number?: number | undefined
  readonly previous_seq?: number | null | undefined
  readonly previous_hash?: string | null | undefined
  readonly accepted?:
    | { readonly lost_seq: number; readonly lost_hash: string; readonly by: string; readonly reason: string }
    | undefined
  readonly key_id: string
  readonly public_key: string
  readonly signature: string
}

export const fieldsOf = (point: AuditCheckpoint, publicKey: string) => {
  const { accepted, at, hash, keyId, number, previous, seq, signature } = point
  return {
    ...{ seq, hash, at },
    ...(number === null ? {} : { number, previous_seq: previous?.seq ?? null, previous_hash: previous?.hash ?? null }),
    ...(accepted === undefined
      ? {}
      : {
          accepted: {
            ...{ lost_seq: accepted.lost.seq, lost_hash: accepted.lost.hash },
            ...{ by: accepted.by, reason: accepted.reason }
          }
        }),
    key_id: keyId,
    public_key: publicKey,
    signature: Buffer.from(signature).toString("base64url")
  } satisfies CheckpointFields
}

export const checkpointOf = (tenantId: string, fields: Omit<CheckpointFields, "public_key">): AuditCheckpoint => {
  const { accepted, at, hash, key_id, number = null, previous_hash = null, previous_seq = null } = fields
  return {
    ...{ tenantId, seq: fields.seq, hash, at, number, keyId: key_id },
    previous: previous_seq === null || previous_hash === null ? null : { seq: previous_seq, hash: previous_hash },
    ...(accepted === undefined
      ? {}
      : {
          accepted: {
            lost: { seq: accepted.lost_seq, hash: accepted.lost_hash },
            ...{ by: accepted.by, reason: accepted.reason }
          }
        }),
    signature: new Uint8Array(Buffer.from(fields.signature, "base64url"))
  }
}
