/** Avro's numbers as bytes: seven bits each, lowest first; a length or a count is doubled by zig-zag. */

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
