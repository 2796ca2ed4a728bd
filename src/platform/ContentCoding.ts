/**
 * A body as it was before its content coding (RFC 9110, section 8.4): of a server that codes though it was asked not to.
 *
 * Bounded in what comes out. What ends in the middle gives what there is of it; what is not of the coding that it says,
 * or of one that is not known, stays as it came. Never throws.
 */

/** What a coded body comes to at most: more is nobody's answer, and nothing of it is looked at. */
export const decodedBytesMax = 1_048_576
/** One within another: nobody does that twice. */
const codingsMax = 2

type Decode = (bytes: Uint8Array) => Uint8Array

/** Not imported: that would make every start longer, also where no such answer ever comes. */
const decodeOf = (coding: string): Decode | undefined => {
  const zlib = process.getBuiltinModule("node:zlib")
  switch (coding) {
    case "gzip":
    case "x-gzip":
    case "deflate":
      return (bytes) =>
        zlib.unzipSync(bytes, { maxOutputLength: decodedBytesMax, finishFlush: zlib.constants.Z_SYNC_FLUSH })
    case "br":
      return (bytes) =>
        zlib.brotliDecompressSync(bytes, {
          maxOutputLength: decodedBytesMax,
          finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH
        })
    default:
      return undefined
  }
}

/** @param coding the header `Content-Encoding`, if there was one; undefined is answered for what comes to too much */
export const decoded = (bytes: Uint8Array, coding: string | undefined): Uint8Array | undefined => {
  const codings = (coding ?? "").toLowerCase().split(",").slice(-codingsMax).reverse()
  let body = bytes
  for (const one of codings) {
    const decode = decodeOf(one.trim())
    if (decode === undefined) continue
    try {
      body = decode(body)
    } catch (cause) {
      return (cause as { readonly code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? undefined : body
    }
  }
  return body
}
