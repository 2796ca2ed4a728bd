/**
 * Text in bytes of a stranger: exactly what the bytes say, or null.
 *
 * Nothing is kept between two calls (a `TextDecoder` is an object with a state). A byte order mark is
 * a character like any other.
 */
import { isUtf8 } from "node:buffer"
import { bufferOf } from "../domain/Bytes.ts"

/** Beyond this length a native check is quicker than a loop. */
const loopBytesMax = 128

/** Whether a range is UTF-8. */
export const isText = (bytes: Uint8Array, start: number, end: number): boolean => {
  if (end - start > loopBytesMax) return isUtf8(bytes.subarray(start, end))
  for (let at = start; at < end; at++) {
    if (bytes[at]! >= 0x80) return isUtf8(bytes.subarray(at, end))
  }
  return true
}

/** The text of a range, or null when it is not UTF-8. */
export const textOf = (bytes: Uint8Array, start: number, end: number): string | null => {
  for (let at = start; at < end; at++) {
    if (bytes[at]! >= 0x80) return isUtf8(bytes.subarray(at, end)) ? bufferOf(bytes).toString("utf8", start, end) : null
  }
  return bufferOf(bytes).toString("latin1", start, end)
}
