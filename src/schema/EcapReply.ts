/**
 * The response of a 16/ECAP token validation, written behind prepared bytes.
 *
 * All that depends on the token alone is encoded once, the tail; a reply is the echoed correlation
 * id, the time, and a copy of the tail.
 */
import { lengthBytes, putLength, putText, textBytes } from "./AvroBytes.ts"
import { textOf } from "./Utf8.ts"

/** The parts of EndpointTokenValidationResponse that follow the time. */
export interface Tail {
  readonly tokenId: string | null
  readonly endpointId: string | null
  readonly statusCode: number
  readonly reasonPhrase: string | null
}

/**
 * Everything of a response behind its timestamp. Note the two unions: ids are [string, null],
 * the reason is [null, string].
 */
export const encodeTail = (tail: Tail): Uint8Array => {
  const { endpointId, reasonPhrase, statusCode, tokenId } = tail
  const size = 1 + sizeOf(tokenId) + sizeOf(endpointId) + lengthBytes(statusCode) + sizeOf(reasonPhrase)
  const bytes = Buffer.allocUnsafe(size)
  bytes[0] = 0 // timeout
  let at = put(bytes, 1, tokenId, 0)
  at = put(bytes, at, endpointId, 0)
  at = putLength(bytes, at, statusCode)
  put(bytes, at, reasonPhrase, 1)
  return bytes
}

const sizeOf = (text: string | null): number => (text === null ? 1 : 1 + textBytes(text))

/** One member of a union: the number of its branch, then the text if there is one. */
const put = (into: Buffer, at: number, text: string | null, stringBranch: 0 | 1): number => {
  if (text === null) {
    into[at] = stringBranch === 0 ? 2 : 0
    return at + 1
  }
  into[at] = stringBranch === 0 ? 0 : 2
  return putText(into, at + 1, text)
}

/** Where the 36 characters of the token id begin in a tail that has one. */
export const tailTokenIdAt = 3
export const tokenIdBytes = 36

const endpointIdLengthAt = tailTokenIdAt + tokenIdBytes + 1

/** How many bytes the endpoint id has in a tail made by `encodeTail` with both ids. */
export const endpointIdBytesOfTail = (bytes: Uint8Array, tailStart: number): number => {
  const at = tailStart + endpointIdLengthAt
  const first = bytes[at]!
  return (first < 0x80 ? first : (first & 0x7f) | (bytes[at + 1]! << 7)) >>> 1
}

/** Where those bytes begin. */
export const endpointIdStartOfTail = (tailStart: number, endpointIdBytes: number): number =>
  tailStart + endpointIdLengthAt + lengthBytes(endpointIdBytes)

export const endpointIdOfTail = (bytes: Uint8Array, tailStart: number): string => {
  const length = endpointIdBytesOfTail(bytes, tailStart)
  const start = endpointIdStartOfTail(tailStart, length)
  return textOf(bytes, start, start + length) ?? ""
}

/** A response without its correlation id: for a caller whose id makes the answer larger than a message may be. */
export const withoutCorrelationId = (response: Uint8Array): Uint8Array => {
  let [at, length] = [0, 0]
  for (let scale = 1; ; scale *= 0x80) {
    const byte = response[at++]!
    length += (byte & 0x7f) * scale
    if (byte < 0x80) break
  }
  const rest = response.subarray(at + length / 2)
  const bytes = new Uint8Array(1 + rest.length)
  bytes.set(rest, 1)
  return bytes
}

/** Replies are cut from slabs of this size. */
const slabBytes = 0x10_0000
/** One with a longer correlation id gets memory of its own: no stranger decides how soon a slab is used up. */
const correlationBytesMax = 0x1000
const timeBytesMax = 10
/** Beside the correlation id and the tail: a length, the time, and what makes whole words. */
const roomBytes = timeBytesMax + timeBytesMax + 8
/** Beyond this length a native copy is quicker than a loop. */
const loopBytesMax = 128

/**
 * Writes responses: correlation id, the time, a tail. The time's bytes are kept while the clock shows
 * the same millisecond. A reply's memory is never written again.
 */
export class ResponseWriter {
  private slab = new Uint8Array(slabBytes)
  private words = new Int32Array(this.slab.buffer)
  private used = 0
  private time = -1
  private readonly timeBytes = new Uint8Array(timeBytesMax)
  private timeLength = 0

  /** @param now UNIX milliseconds, the reply's timestamp */
  write(
    request: Uint8Array,
    correlationStart: number,
    correlationEnd: number,
    now: number,
    tail: Uint8Array,
    tailStart: number,
    tailEnd: number
  ): Uint8Array {
    const correlationLength = correlationEnd - correlationStart
    if (correlationLength > correlationBytesMax) {
      return this.writeApart(request, correlationStart, correlationEnd, now, tail.subarray(tailStart, tailEnd))
    }
    this.makeRoom(correlationLength + tailEnd - tailStart, now)
    const start = this.used
    const into = this.slab
    let at = this.putHead(into, start, request, correlationStart, correlationEnd)
    for (let from = tailStart; from < tailEnd; ) into[at++] = tail[from++]!
    this.used = at
    return into.subarray(start, at)
  }

  /**
   * The same for a tail that begins with a whole word of four bytes: it is copied word by word, so up to three
   * bytes behind it are read and are no part of the reply.
   */
  writeWords(
    request: Uint8Array,
    correlationStart: number,
    correlationEnd: number,
    now: number,
    tail: Int32Array,
    tailWord: number,
    tailLength: number
  ): Uint8Array {
    const correlationLength = correlationEnd - correlationStart
    if (correlationLength > correlationBytesMax) {
      const bytes = new Uint8Array(tail.buffer, tail.byteOffset + tailWord * 4, tailLength)
      return this.writeApart(request, correlationStart, correlationEnd, now, bytes)
    }
    this.makeRoom(correlationLength + tailLength, now)
    const headLength = lengthBytes(correlationLength) + correlationLength + this.timeLength
    // The head goes before it, wherever that begins.
    const tailAt = (this.used + headLength + 3) & ~3
    const start = tailAt - headLength
    this.putHead(this.slab, start, request, correlationStart, correlationEnd)
    const into = this.words
    const end = tailAt + tailLength
    for (let word = tailAt >>> 2, from = tailWord; word << 2 < end; ) into[word++] = tail[from++]!
    this.used = end
    return this.slab.subarray(start, end)
  }

  private writeApart(
    request: Uint8Array,
    correlationStart: number,
    correlationEnd: number,
    now: number,
    tail: Uint8Array
  ): Uint8Array {
    if (now !== this.time) this.setTime(now)
    const into = new Uint8Array(correlationEnd - correlationStart + tail.length + roomBytes)
    const at = this.putHead(into, 0, request, correlationStart, correlationEnd)
    into.set(tail, at)
    return into.subarray(0, at + tail.length)
  }

  private makeRoom(bytes: number, now: number): void {
    if (now !== this.time) this.setTime(now)
    const bound = (bytes + roomBytes) & ~3
    if (this.used + bound <= this.slab.length) return
    this.slab = new Uint8Array(slabBytes)
    this.words = new Int32Array(this.slab.buffer)
    this.used = 0
  }

  /** Correlation id and time; answers where they end. */
  private putHead(
    into: Uint8Array,
    start: number,
    request: Uint8Array,
    correlationStart: number,
    correlationEnd: number
  ): number {
    const correlationLength = correlationEnd - correlationStart
    let at = start
    if (correlationLength < 0x40) into[at++] = correlationLength << 1
    else at = putLength(into, at, correlationLength)
    if (correlationLength > loopBytesMax) {
      into.set(request.subarray(correlationStart, correlationEnd), at)
      at += correlationLength
    } else for (let from = correlationStart; from < correlationEnd; ) into[at++] = request[from++]!
    const timeBytes = this.timeBytes
    for (let from = 0; from < this.timeLength; ) into[at++] = timeBytes[from++]!
    return at
  }

  private setTime(now: number): void {
    this.time = now
    this.timeLength = putLength(this.timeBytes, 0, now)
  }
}
