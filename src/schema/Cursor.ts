/**
 * Page cursors: where the next page begins, opaque to callers.
 *
 * base64url of: version byte, 4 bytes of checksum, kind, NUL, place. `kind` names the list and its
 * order, so a cursor of another list or order is told from one of ours. The checksum finds typing
 * errors; it is no secret, and a made-up cursor shows nothing that a first page would not.
 */
const version = 1
const headBytes = 5
const placeLengthMax = 512
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** FNV-1a, 32 bits. */
const checksum = (bytes: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** `kind` is the list and its order (`token.list DESC`); `place` is what the store calls the place. */
export const encodeCursor = (kind: string, place: string): string => {
  const body = encoder.encode(`${kind}\0${place}`)
  const bytes = Buffer.alloc(headBytes + body.length)
  bytes[0] = version
  bytes.writeUInt32BE(checksum(body), 1)
  bytes.set(body, headBytes)
  return bytes.toString("base64url")
}

/** The place, or null when the cursor is not one of this kind. */
export const decodeCursor = (kind: string, cursor: string): string | null => {
  const bytes = Buffer.from(cursor, "base64url")
  if (bytes.length <= headBytes || bytes.toString("base64url") !== cursor || bytes[0] !== version) return null
  const body = bytes.subarray(headBytes)
  if (bytes.readUInt32BE(1) !== checksum(body)) return null
  try {
    const text = decoder.decode(body)
    const place = text.slice(kind.length + 1)
    return text.startsWith(`${kind}\0`) && place.length > 0 && place.length <= placeLengthMax ? place : null
  } catch {
    return null
  }
}
