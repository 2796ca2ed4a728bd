/** Bytes looked at, without a copy: what is answered by `bufferOf` changes with them. */

export const bufferOf = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Two small letters or digits for each byte. */
export const hexOf = (bytes: Uint8Array): string => bufferOf(bytes).toString("hex")
