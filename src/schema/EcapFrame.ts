/**
 * The request of a 16/ECAP token validation, read where it lies. The same message as an object is in
 * `Ecap.ts`; this module exists because a validation that hits must not build any.
 *
 * Strict: a request that is cut off, has bytes left over, a negative length, a number of more than 64
 * bits or a correlation id that is not UTF-8 is undecodable. Lengths that are encoded longer than
 * needed are accepted (Avro does not forbid them) and say so in `keyCanonical`.
 *
 * Whether `appName` and `token` are UTF-8 and look as they may is not judged by `read`: their bytes
 * are the key of a table that only ever holds good ones, so the check is owed only when the table
 * does not know them. `names` does it.
 */
import { appNamePattern, isTokenValue } from "../domain/Names.ts"
import { putText, textBytes } from "./AvroBytes.ts"
import { isText, textOf } from "./Utf8.ts"

/** The longest names that their patterns allow: 64 ASCII characters, and 256 code points of four bytes. */
const appNameBytesMax = 64
const tokenBytesMax = 1_024

const bigBits = 0x20_0000 // a high half below this, together with 32 low bits, is an exact number

/**
 * The parts of one EndpointTokenValidationRequest, as positions in its bytes. One instance is used
 * for all requests of a caller; whoever keeps something beyond the next `read` copies it.
 */
export class RequestFrame {
  correlationStart = 0
  correlationEnd = 0
  appNameStart = 0
  appNameEnd = 0
  tokenStart = 0
  tokenEnd = 0
  /** The encoded `appName` and `token` fill the request from here to its end. */
  keyStart = 0
  /** Whether those bytes are the one shortest encoding, so that equal texts have equal bytes. */
  keyCanonical = true
  /** Exact numbers; only when `timesExact`. */
  timestamp = 0
  timeout = 0
  timesExact = true
  /** The same in all 64 bits; only when not `timesExact`. */
  timestampBig = 0n
  timeoutBig = 0n

  // Where the last number or text ended, and the last number's halves.
  private position = 0
  private low = 0
  private high = 0
  private canonical = true

  /** False: undecodable, and the fields say nothing. */
  read(bytes: Uint8Array): boolean {
    this.position = 0
    if (!this.text(bytes)) return false
    const start = this.position - this.length
    this.correlationStart = start
    this.correlationEnd = this.position
    if (!isText(bytes, start, this.position)) return false
    if (!this.times(bytes)) return false
    this.keyStart = this.position
    if (!this.text(bytes)) return false
    const appNameCanonical = this.canonical
    this.appNameStart = this.position - this.length
    this.appNameEnd = this.position
    if (!this.text(bytes)) return false
    this.keyCanonical = appNameCanonical && this.canonical
    this.tokenStart = this.position - this.length
    this.tokenEnd = this.position
    return this.position === bytes.length
  }

  /** Whether a name has more bytes than any good one: not worth being hashed or decoded. */
  isTooLong(): boolean {
    return this.appNameEnd - this.appNameStart > appNameBytesMax || this.tokenEnd - this.tokenStart > tokenBytesMax
  }

  /** Whether `timeout` is below zero, which no request may say. */
  timeoutIsNegative(): boolean {
    return this.timesExact ? this.timeout < 0 : this.timeoutBig < 0n
  }

  /** Whether `timestamp + timeout` has passed; never for a timeout of 0. Exact over all 64 bits. */
  hasPassed(now: number): boolean {
    if (this.timesExact) return this.timeout > 0 && now > this.timestamp + this.timeout
    return this.timeoutBig > 0n && BigInt(now) > this.timestampBig + this.timeoutBig
  }

  private times(bytes: Uint8Array): boolean {
    if (!this.long(bytes)) return false
    const timestampLow = this.low
    const timestampHigh = this.high
    if (!this.long(bytes)) return false
    this.timesExact = isExact(timestampHigh) && isExact(this.high)
    if (this.timesExact) {
      this.timestamp = timestampHigh * 4294967296 + (timestampLow >>> 0)
      this.timeout = this.high * 4294967296 + (this.low >>> 0)
    } else {
      this.timestampBig = (BigInt(timestampHigh) << 32n) | BigInt(timestampLow >>> 0)
      this.timeoutBig = (BigInt(this.high) << 32n) | BigInt(this.low >>> 0)
    }
    return true
  }

  private length = 0

  /** A length and that many bytes; `length` and `position` tell where they are. */
  private text(bytes: Uint8Array): boolean {
    const at = this.position
    const first = at < bytes.length ? bytes[at]! : 0x80
    if (first < 0x80) {
      if ((first & 1) === 1) return false
      this.length = first >>> 1
      this.position = at + 1 + this.length
      this.canonical = true
    } else {
      if (!this.long(bytes)) return false
      if (this.high !== 0 || this.low < 0) return false
      this.length = this.low
      this.canonical = bytes[this.position - 1] !== 0
      this.position += this.length
    }
    return this.position <= bytes.length
  }

  /** A zig-zag number of at most 64 bits and ten bytes into `high` (signed) and `low` (its bits). */
  private long(bytes: Uint8Array): boolean {
    let low = 0
    let high = 0
    let at = this.position
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length) return false
      const byte = bytes[at++]!
      const bits = byte & 0x7f
      if (shift === 63 && byte > 1) return false
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32)
      if (byte < 0x80) break
    }
    this.position = at
    const sign = -(low & 1)
    this.low = ((low >>> 1) | (high << 31)) ^ sign
    this.high = (high >>> 1) ^ sign
    return true
  }
}

const isExact = (high: number): boolean => high < bigBits && high >= -bigBits

// ---- texts ------------------------------------------------------------------

/** What `read` left open: `undecodable` for text that is not UTF-8, `invalid` for one outside its pattern. */
export type Names = { readonly appName: string; readonly token: string } | "undecodable" | "invalid"

/** The names of a request that `read` accepted, checked. */
export const names = (bytes: Uint8Array, frame: RequestFrame): Names => {
  if (frame.isTooLong()) {
    const texts = isText(bytes, frame.appNameStart, frame.appNameEnd) && isText(bytes, frame.tokenStart, frame.tokenEnd)
    return texts ? "invalid" : "undecodable"
  }
  const appName = textOf(bytes, frame.appNameStart, frame.appNameEnd)
  const token = textOf(bytes, frame.tokenStart, frame.tokenEnd)
  if (appName === null || token === null) return "undecodable"
  return appNamePattern.test(appName) && isTokenValue(token) ? { appName, token } : "invalid"
}

/** The encoded `appName` and `token`, shortest form: the bytes by which a token is looked up. */
export const keyOf = (appName: string, token: string): Uint8Array => {
  const key = Buffer.allocUnsafe(textBytes(appName) + textBytes(token))
  putText(key, putText(key, 0, appName), token)
  return key
}
