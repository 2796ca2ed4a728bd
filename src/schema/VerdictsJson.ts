/**
 * The answer to a batch of validations, as it is sent: `{"results":[…]}`, a verdict after the other.
 *
 * The verdict of a token that is good, which nearly all are, is written here from the bytes of its reply in 16/ECAP, where
 * its ids stand. It is, byte for byte, what `JSON.stringify` makes of the same `ValidationAnswer`. For any other a place is
 * left, and its text is told at the end.
 */
import { endpointIdLengthMax } from "../domain/Names.ts"
import { endpointIdBytesOfTail, endpointIdStartOfTail, tailTokenIdAt, tokenIdBytes } from "./EcapReply.ts"

// Each verdict has a comma behind it, the last one too, until the end.
const head = Buffer.from('{"results":[')
const beforeTokenId = Buffer.from('{"statusCode":200,"reasonPhrase":null,"tokenId":"')
const beforeEndpointId = Buffer.from('","endpointId":"')
const afterIds = Buffer.from('","status":"Active"},')
const end = Buffer.from("]}")

const verdictBytesMax =
  beforeTokenId.length + tokenIdBytes + beforeEndpointId.length + endpointIdLengthMax + afterIds.length

const [space, quote, backslash] = [0x20, 0x22, 0x5c]

export class VerdictsWriter {
  private readonly bytes: Buffer
  private used = head.length
  private count = 0
  /** Where those stand that are told at the end. */
  private readonly places: Array<number> = []

  /** For so many verdicts. */
  constructor(most: number) {
    this.bytes = Buffer.allocUnsafeSlow(head.length + most * verdictBytesMax + end.length)
    this.bytes.set(head)
  }

  /** How many verdicts were written here. */
  get active(): number {
    return this.count
  }

  /**
   * The next verdict: 200, Active, and both ids of the end of a reply, as `encodeTail` makes it. False where an id could
   * look otherwise in JSON, and then it is not written.
   */
  putActive(from: Uint8Array, tailStart: number): boolean {
    const { bytes } = this
    const endpointIdBytes = endpointIdBytesOfTail(from, tailStart)
    if (endpointIdBytes > endpointIdLengthMax) return false
    const tokenIdAt = this.used + beforeTokenId.length
    const endpointIdAt = tokenIdAt + tokenIdBytes + beforeEndpointId.length
    const endpointIdStart = endpointIdStartOfTail(tailStart, endpointIdBytes)
    if (!copyPlain(from, tailStart + tailTokenIdAt, tokenIdBytes, bytes, tokenIdAt)) return false
    if (!copyPlain(from, endpointIdStart, endpointIdBytes, bytes, endpointIdAt)) return false
    bytes.set(beforeTokenId, this.used)
    bytes.set(beforeEndpointId, tokenIdAt + tokenIdBytes)
    bytes.set(afterIds, endpointIdAt + endpointIdBytes)
    this.used = endpointIdAt + endpointIdBytes + afterIds.length
    this.count++
    return true
  }

  /** Leaves a place for the next verdict. */
  leave(): void {
    this.places.push(this.used)
  }

  /** The whole, with a text for each place that was left, in their order. To be called once. */
  join(texts: ReadonlyArray<string>): Uint8Array {
    const { bytes, places, used } = this
    if (texts.length !== places.length) throw new Error("a verdict is missing in the answer to a batch")
    let whole = bytes
    let length = used
    if (places.length > 0) {
      const parts = places.flatMap((place, at) => [
        bytes.subarray(places[at - 1] ?? 0, place),
        Buffer.from(`${texts[at]},`)
      ])
      parts.push(bytes.subarray(places.at(-1), used), end)
      whole = Buffer.concat(parts)
      length = whole.length - end.length
    }
    // In place of the last comma.
    end.copy(whole, length - 1)
    return whole.subarray(0, length - 1 + end.length)
  }
}

/** Copies an id of printable ASCII that JSON takes as it is; false for another, of which some may be copied. */
const copyPlain = (from: Uint8Array, start: number, length: number, into: Uint8Array, at: number): boolean => {
  for (let index = 0; index < length; index++) {
    const byte = from[start + index]!
    if (byte < space || byte >= 0x80 || byte === quote || byte === backslash) return false
    into[at + index] = byte
  }
  return true
}
