/**
 * The id of a key: a UUIDv7 (RFC 9562, section 5.7) as text, 16 bytes inside a sealed record.
 *
 * Only canonical lower-case text is an id, so that one key has one name. Ids are made here and not
 * by the actors' generator because keys exist before any actor does; nothing depends on their order.
 */
import { randomBytes } from "node:crypto"
import { entityIdPattern } from "../domain/Names.ts"

export const isKeyId = (text: string): boolean => entityIdPattern.test(text)

/** A new id; `nowMs` is UNIX milliseconds. */
export const makeKeyId = (nowMs: number): string => {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  return toText(bytes)
}

/** 16 bytes; dies for a text that is not a key id. */
export const toBytes = (keyId: string): Uint8Array => {
  if (!isKeyId(keyId)) throw new Error("not a key id")
  return Buffer.from(keyId.replaceAll("-", ""), "hex")
}

export const toText = (bytes: Uint8Array): string => {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
