/**
 * What a server said, as bytes, beside the parser of HTTP: where that takes the head of an answer for none, what stands
 * behind the head may be the only copy of what it holds.
 *
 * Read leniently: the status, two headers, and all that is behind the first empty line. Bounded; never throws.
 */
import type { Socket } from "node:net"

export interface Heard {
  readonly status: number
  readonly contentType: string
  readonly contentCoding: string | undefined
  readonly body: Uint8Array
}

const headOf = (text: string): { readonly head: string; readonly length: number } | undefined => {
  const end = /\r?\n\r?\n/u.exec(text)
  return end === null ? undefined : { head: text.slice(0, end.index), length: end.index + end[0].length }
}

const headerIn = (head: string, name: string): string | undefined =>
  new RegExp(`^${name}[ \\t]*:[ \\t]*([^\\r\\n]*)`, "imu").exec(head)?.[1]?.trim()

/** Null: no head that ends. */
export const read = (bytes: Buffer): Heard | null => {
  const text = bytes.toString("latin1")
  const found = headOf(text)
  if (found === undefined) return null
  return {
    status: Number(/^HTTP\/\S+ +(\d{3})\b/u.exec(found.head)?.[1] ?? 0),
    contentType: headerIn(found.head, "content-type")?.toLowerCase() ?? "",
    contentCoding: headerIn(found.head, "content-encoding"),
    body: bytes.subarray(found.length)
  }
}

/** Hears what comes on from now, so many bytes at most; answers what there is of it. */
export const listen = (socket: Socket, bytesMax: number): (() => Buffer) => {
  const kept: Array<Buffer> = []
  let bytes = 0
  // Before the parser, which ends the connection at what it does not take.
  socket.prependListener("data", (chunk: Buffer) => {
    if (bytes >= bytesMax) return
    kept.push(chunk)
    bytes += chunk.byteLength
  })
  return () => Buffer.concat(kept)
}
