/**
 * The outermost step of a token's hash: one that can be taken off again by who holds its key.
 *
 * The first 24 bytes of a hash, wrapped with AES-256 Key Wrap (RFC 3394; the KW of NIST SP 800-38F): 32
 * bytes, always the same for the same hash, so that a row is still found by it. Without the key it tells
 * nothing about the hash beneath, whoever knows how that was made; with two keys a stored hash is moved
 * from one to the other without the token's value, and is no deeper afterwards than before. 192 bits of
 * an HMAC tell tokens apart as well as 256 do: two of 2^48 tokens agree with a probability of 2^-97.
 */
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto"

export const coverLength = 32
/** Bytes of a hash that are covered. */
const coveredBytes = 24
/** RFC 3394, section 2.2.3.1. */
const initialValue = Buffer.alloc(8, 0xa6)
const cipher = "id-aes256-wrap"

export interface HashCover {
  /** 32 bytes. */
  readonly put: (hash: Uint8Array) => Uint8Array
  /** The 24 bytes beneath, or null: it was not covered with this key, or was changed. */
  readonly takeOff: (covered: Uint8Array) => Uint8Array | null
}

/** Keeps the key outside of the heap; the bytes given are the caller's to overwrite. */
export const make = (bytes: Uint8Array): HashCover => {
  const key = createSecretKey(bytes)
  return {
    put: (hash) => createCipheriv(cipher, key, initialValue).update(hash.subarray(0, coveredBytes)),
    takeOff: (covered) => {
      try {
        return createDecipheriv(cipher, key, initialValue).update(covered)
      } catch {
        return null
      }
    }
  }
}
