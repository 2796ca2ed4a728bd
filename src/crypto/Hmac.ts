/**
 * HMAC-SHA-256 (RFC 2104) over keys of one length, fast.
 *
 * Two calls of the one-shot digest are less than half the price of an Hmac object, and every
 * validation that is not hot pays it. A key stays where it was made, combined with the pads; what was
 * hashed with it is overwritten.
 */
import { hash as digestOf } from "node:crypto"

const blockLength = 64
const digestLength = 32

/** Messages up to this length are hashed where they are written, behind the key. */
const messageRoom = 192

/** The key combined with the pads, each with room behind it for what it is hashed with. */
export interface HmacKey {
  readonly inner: Buffer
  readonly outer: Buffer
}

/** @param room bytes of a message that need no memory of their own */
export const hmacKey = (key: Uint8Array, room = messageRoom): HmacKey => {
  const inner = Buffer.alloc(blockLength + room, 0x36)
  const outer = Buffer.alloc(blockLength + digestLength, 0x5c)
  for (const [at, byte] of key.entries()) {
    inner[at] = inner[at]! ^ byte
    outer[at] = outer[at]! ^ byte
  }
  return { inner, outer }
}

/** A digest as a string of one character a byte: a third of the price of one in memory of its own. */
const sha256 = (bytes: Uint8Array): string => digestOf("sha256", bytes, "binary")

/** The pieces behind each other; none of them is copied anywhere else where they fit into the key's room. */
export const hmacOf = ({ inner, outer }: HmacKey, pieces: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, blockLength)
  // Memory of its own, never of the pool: it holds the key.
  const into = length <= inner.byteLength ? inner : Buffer.alloc(length)
  if (into !== inner) into.set(inner.subarray(0, blockLength))
  let at = blockLength
  for (const piece of pieces) {
    into.set(piece, at)
    at += piece.byteLength
  }
  outer.write(sha256(into.subarray(0, length)), blockLength, "latin1")
  into.fill(0, into === inner ? blockLength : 0, length)
  return Buffer.from(sha256(outer), "latin1")
}

const withPrefix = (inner: Buffer, data: string | Uint8Array): Uint8Array => {
  const length = typeof data === "string" ? Buffer.byteLength(data) : data.byteLength
  // Memory of its own, never of the pool: it holds the key.
  const into = blockLength + length <= inner.byteLength ? inner : Buffer.alloc(blockLength + length)
  if (into !== inner) into.set(inner.subarray(0, blockLength))
  if (typeof data === "string") into.write(data, blockLength)
  else into.set(data, blockLength)
  return into.subarray(0, blockLength + length)
}

export const hmac = ({ inner, outer }: HmacKey, data: string | Uint8Array): Uint8Array => {
  const message = withPrefix(inner, data)
  outer.write(sha256(message), blockLength, "latin1")
  // The key stays where it is; the value goes, and the key with it where it was copied.
  if (message.buffer === inner.buffer) inner.fill(0, blockLength, message.byteLength)
  else message.fill(0)
  return Buffer.from(sha256(outer), "latin1")
}

/** Overwrites a key that is not used any more. */
export const wipe = ({ inner, outer }: HmacKey): void => {
  inner.fill(0)
  outer.fill(0)
}
