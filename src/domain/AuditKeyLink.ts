/**
 * The step from one key that signs the audit to the next, as it is stored, told and exported: the fields of one
 * text that both keys signed. What it proves, and how, is `crypto/AuditKeyLink.ts`'s to say.
 */
import { Schema } from "effect"

export const AuditKeyLink = Schema.Struct({
  previous_key_id: Schema.String,
  /** Public keys: the 32 bytes of RFC 8032, in base64url without padding. */
  previous_public_key: Schema.String,
  key_id: Schema.String,
  public_key: Schema.String,
  /** UNIX milliseconds. */
  at: Schema.Int,
  /** What the previous key signed counts when it says that it was signed no later. UNIX milliseconds. */
  until: Schema.Int,
  /** Ed25519, 64 bytes in base64url. */
  previous_signature: Schema.String,
  signature: Schema.String
})
export type AuditKeyLink = typeof AuditKeyLink.Type
