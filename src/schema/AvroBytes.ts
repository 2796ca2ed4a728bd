/** Avro's numbers and texts as bytes: seven bits each, lowest first; a length or a count is doubled by zig-zag. */

/** How many bytes `putLength` writes. */
export const lengthBytes = (length: number): number => {
  let count = 1
  for (let rest = length * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) count++
  return count
}

/** Writes a whole number from 0 on as Avro does; answers the position behind it. */
export const putLength = (into: Uint8Array, at: number, length: number): number => {
  let rest = length * 2
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  into[at++] = rest
  return at
}

/** Ids, names and reasons are nearly always ASCII: a byte a character, and no call into an encoder. */
const isAscii = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) >= 0x80) return false
  return true
}

/** How many bytes `putText` writes. */
export const textBytes = (text: string): number => {
  const length = isAscii(text) ? text.length : Buffer.byteLength(text)
  return lengthBytes(length) + length
}

/** Writes a text as Avro does, its length before it; answers the position behind it. */
export const putText = (into: Buffer, at: number, text: string): number => {
  if (!isAscii(text)) {
    const start = putLength(into, at, Buffer.byteLength(text))
    return start + into.write(text, start)
  }
  const start = putLength(into, at, text.length)
  for (let index = 0; index < text.length; index++) into[start + index] = text.charCodeAt(index)
  return start + text.length
}
