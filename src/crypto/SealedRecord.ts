/**
 * A secret at rest: AES-256-GCM, knowing its key and its place.
 *
 *     format (1 byte, 1) · key id (16) · nonce (12) · ciphertext · tag (16)
 *
 * The additional data is the format byte, the key id and then the caller's text, so a record opens
 * only under the key that it names and only in the place it was made for; it cannot be moved to
 * another row, nor its header be changed. Equal plaintexts give unrelated records. What is not
 * hidden: the length of the plaintext and the key's id.
 *
 * A nonce is made of random bytes and of what is sealed, by HMAC under a key derived from this one: two
 * copies of one process (a cloned virtual machine) that draw the same random bytes seal two things with
 * two nonces, and one thing as the same record. So random bytes may be drawn ahead.
 *
 * Nonces are as good as random, which is safe for fewer than 2^32 records a key (NIST SP 800-38D, section
 * 8.3); `usesMax` is the end of a key in one process, and rotation comes long before.
 *
 * Pure but for the random nonce and the count of uses. A record that does not open gives null and
 * no reason.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomFillSync } from "node:crypto"
import { type HmacKey, hmac, hmacKey, hmacOf } from "./Hmac.ts"
import * as KeyId from "./KeyId.ts"

export const format = 1
const keyIdLength = 16
const nonceLength = 12
const tagLength = 16
const headerLength = 1 + keyIdLength
/** What a record is longer than its plaintext, in bytes. */
export const overhead = headerLength + nonceLength + tagLength

/** The largest plaintext, in bytes: more than any message of the bus can carry. */
export const plaintextBytesMax = 16 * 1024 * 1024
/** Records one process may seal with one key. */
export const usesMax = 2 ** 31
/** Most secrets fit, with their place, where they are hashed; the largest have memory of their own. */
const nonceRoom = 2_048
/** Bytes of a key. */
export const keyLength = 32

export interface SealingKey {
  readonly keyId: string
  /** Records sealed with it by this process. */
  uses: number
  /** What each of its records begins with: the format and the key's id. */
  readonly header: Uint8Array
  readonly secret: KeyObject
  readonly nonces: HmacKey
}

/** A key ready to use. `material` is 32 bytes and may be overwritten afterwards. */
export const makeKey = (keyId: string, material: Uint8Array): SealingKey => {
  if (material.byteLength !== keyLength) throw new Error("a sealing key has 32 bytes")
  const derived = hmac(hmacKey(material), "cm-nonce-1")
  const nonces = hmacKey(derived, nonceRoom)
  derived.fill(0)
  const header = Uint8Array.of(format, ...KeyId.toBytes(keyId))
  return { keyId, uses: 0, header, secret: createSecretKey(material), nonces }
}

/** Random bytes are fetched for many nonces at once: one call to the generator costs more than a seal. */
const drawLength = 16
const pool = Buffer.alloc(drawLength * 256)
let poolAt = pool.byteLength
const drawn = (): Uint8Array => {
  if (poolAt === pool.byteLength) {
    randomFillSync(pool)
    poolAt = 0
  }
  poolAt += drawLength
  return pool.subarray(poolAt - drawLength, poolAt)
}

const lengthRoom = Buffer.alloc(4)
/** From random bytes, the place and the plaintext; the first two have a length that is known. */
const nonceOf = (key: SealingKey, random: Uint8Array, data: Uint8Array, plaintext: Uint8Array): Uint8Array => {
  lengthRoom.writeUInt32BE(data.byteLength)
  return hmacOf(key.nonces, [random, lengthRoom, data, plaintext]).subarray(0, nonceLength)
}

/** Bytes of a place; a character of a text is three at most. */
const placeRoom = 768
/** Where additional data is put together, which holds no secret and is used before anything else is sealed or opened. */
const dataRoom = Buffer.alloc(headerLength + placeRoom)

/** `aad` must be well-formed: two ill-formed texts can have the same bytes, and would be one place. */
const additionalData = ({ header }: SealingKey, aad: string): Uint8Array => {
  const bytesMax = 3 * aad.length
  const data = bytesMax <= placeRoom ? dataRoom : Buffer.allocUnsafe(headerLength + bytesMax)
  data.set(header, 0)
  return data.subarray(0, headerLength + data.write(aad, headerLength, "utf8"))
}

/**
 * The record of `plaintext` for the place `aad`. Dies past a limit: callers check their input.
 *
 * @param random 16 bytes of the generator
 */
export const seal = (key: SealingKey, aad: string, plaintext: Uint8Array, random = drawn()): Uint8Array => {
  if (!aad.isWellFormed()) throw new Error("additional data is not well-formed text")
  if (plaintext.byteLength > plaintextBytesMax) throw new Error("plaintext is too long to seal")
  if (key.uses >= usesMax) throw new Error("the key has sealed its limit of records")
  key.uses += 1
  const record = Buffer.allocUnsafe(overhead + plaintext.byteLength)
  record.set(key.header, 0)
  const data = additionalData(key, aad)
  const nonce = nonceOf(key, random, data, plaintext)
  record.set(nonce, headerLength)
  const cipher = createCipheriv("aes-256-gcm", key.secret, nonce, { authTagLength: tagLength })
  cipher.setAAD(data)
  record.set(cipher.update(plaintext), headerLength + nonceLength)
  cipher.final()
  record.set(cipher.getAuthTag(), record.byteLength - tagLength)
  return record
}

/** The id of the key that a record names, or null when it is none of our records. */
export const keyIdOf = (record: Uint8Array): string | null => {
  if (record.byteLength < overhead || record.byteLength > overhead + plaintextBytesMax || record[0] !== format) {
    return null
  }
  const keyId = KeyId.toText(record.subarray(1, headerLength))
  return KeyId.isKeyId(keyId) ? keyId : null
}

/** Whether it is a record that names this key. */
const isOf = ({ header }: SealingKey, record: Uint8Array): boolean => {
  if (record.byteLength < overhead || record.byteLength > overhead + plaintextBytesMax) return false
  for (let at = 0; at < headerLength; at++) if (record[at] !== header[at]) return false
  return true
}

/** The plaintext, or null: another key, another place, or not what was sealed. */
export const open = (key: SealingKey, aad: string, record: Uint8Array): Uint8Array | null => {
  if (!aad.isWellFormed() || !isOf(key, record)) return null
  const end = record.byteLength - tagLength
  const nonce = record.subarray(headerLength, headerLength + nonceLength)
  const decipher = createDecipheriv("aes-256-gcm", key.secret, nonce, { authTagLength: tagLength })
  decipher.setAAD(additionalData(key, aad))
  decipher.setAuthTag(record.subarray(end))
  const plaintext = decipher.update(record.subarray(headerLength + nonceLength, end))
  try {
    decipher.final()
    return plaintext
  } catch {
    plaintext.fill(0)
    return null
  }
}
