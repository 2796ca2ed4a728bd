/**
 * Page cursors: where the next page begins, opaque to callers.
 *
 * base64url of: version byte, 4 bytes of checksum, place. The checksum is over the list and the place:
 * it finds typing errors, and tells a cursor of another list, tenant, filter or order from one of
 * ours without any of these standing in it. It is no secret: anybody can make up a cursor
 * of a list. That shows nothing that a first page would not, and who takes the place says what one looks like.
 */
import { textOf } from "./Utf8.ts"

const version = 2
const headBytes = 5
const placeLengthMax = 512
const encoder = new TextEncoder()

/** FNV-1a, 32 bits, over the list's text, a NUL and the place's bytes. */
const checksum = (list: string, place: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (const bytes of [encoder.encode(`${list}\0`), place]) {
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  }
  return hash >>> 0
}

/** `list` says all of what is listed, and how; `place` is what the store calls the place. */
export const encodeCursor = (list: string, place: string): string => {
  const body = encoder.encode(place)
  const bytes = Buffer.alloc(headBytes + body.length)
  bytes[0] = version
  bytes.writeUInt32BE(checksum(list, body), 1)
  bytes.set(body, headBytes)
  return bytes.toString("base64url")
}

/** The place, or null when the cursor is not one of this list. */
export const decodeCursor = (list: string, cursor: string): string | null => {
  const bytes = Buffer.from(cursor, "base64url")
  if (bytes.length <= headBytes || bytes.toString("base64url") !== cursor || bytes[0] !== version) return null
  const body = bytes.subarray(headBytes)
  if (bytes.readUInt32BE(1) !== checksum(list, body)) return null
  const place = textOf(body, 0, body.length)
  return place !== null && place.length <= placeLengthMax ? place : null
}
