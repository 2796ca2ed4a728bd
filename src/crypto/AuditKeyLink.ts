/**
 * The step from one key that signs the audit to the next: who trusts either of them, trusts the other.
 *
 * A link names both keys and is signed by both. The old one's signature takes who holds the old public key to the
 * new one; the new one's takes who holds the new one back, so that what was signed before stays verifiable.
 * Neither alone would do: whoever writes the database could make a key of their own and let it follow the true
 * one, or let the true one follow theirs. What the old key signed counts up to `until` and no further, so that
 * one that was lost after that makes nothing good.
 *
 * Pure but for the signatures: Ed25519 (RFC 8032), public keys as their 32 bytes in base64url. A link is the
 * same text in the database, in the audit of `global`, in the event `keys.rotated` and in an export
 * (docs/audit.md), and is believed from none of them without its signatures.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto"
import { Option, Schema } from "effect"
import { AuditKeyLink } from "../domain/AuditKeyLink.ts"

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(AuditKeyLink))

export const signedBytes = (link: Omit<AuditKeyLink, "previous_signature" | "signature">): Uint8Array => {
  const { at, key_id, previous_key_id, previous_public_key, public_key, until } = link
  const parts = ["cm-audit-key-1", previous_key_id, previous_public_key, key_id, public_key, at, until]
  return new TextEncoder().encode(JSON.stringify(parts))
}

/** Null: not 32 bytes of a public key. */
export const publicKeyOf = (text: string): KeyObject | null => {
  try {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: text }, format: "jwk" })
  } catch {
    return null
  }
}

const isSignedBy = (key: string, bytes: Uint8Array, signature: string): boolean => {
  const publicKey = publicKeyOf(key)
  return publicKey !== null && verify(null, bytes, publicKey, Buffer.from(signature, "base64url"))
}

/** The link that a text is, if both keys signed it. */
export const read = (text: string | undefined): AuditKeyLink | null => {
  const link = Option.getOrNull(decode(text ?? ""))
  if (link === null) return null
  const bytes = signedBytes(link)
  const isGood =
    isSignedBy(link.previous_public_key, bytes, link.previous_signature) &&
    isSignedBy(link.public_key, bytes, link.signature)
  return isGood ? link : null
}

export interface TrustedKey {
  readonly publicKey: KeyObject
  readonly publicText: string
  /** Null: it has not been followed. */
  readonly until: number | null
}

/**
 * From a key that is known to be the service's own back to the first: each by the link to it from the one after
 * it. `links` by the key that they lead to.
 */
export const trustedFrom = (
  keyId: string,
  publicKey: string,
  links: ReadonlyMap<string, AuditKeyLink>
): { readonly keys: ReadonlyMap<string, TrustedKey>; readonly links: ReadonlyArray<AuditKeyLink> } => {
  const keys = new Map<string, TrustedKey>()
  const walked: Array<AuditKeyLink> = []
  let [id, text, until]: [string, string, number | null] = [keyId, publicKey, null]
  while (!keys.has(id)) {
    const key = publicKeyOf(text)
    if (key === null) break
    keys.set(id, { publicKey: key, publicText: text, until })
    const link = links.get(id)
    if (link === undefined || link.public_key !== text) break
    walked.push(link)
    ;[id, text, until] = [link.previous_key_id, link.previous_public_key, link.until]
  }
  return { keys, links: walked }
}
