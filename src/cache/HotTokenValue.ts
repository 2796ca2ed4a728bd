/**
 * A cache entry as bytes: one byte for the format, then a JSON array.
 *
 * The entry repeats the key it belongs to. Decoding answers null for whatever is not an entry of this
 * format for that key: another version's format, a value moved from elsewhere, garbage.
 */
import { Result, Schema } from "effect"
import type { HotToken } from "../domain/HotToken.ts"
import { tokenStatuses } from "../domain/Token.ts"
import type { CacheKey } from "./ValidationCache.ts"

/** Grows with every change of the array's meaning. */
const format = 2
const formatCharacter = String.fromCharCode(format)

const NaturalNumber = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const Entry = Schema.Tuple([
  /** tenantId, cacheKey */
  Schema.String,
  Schema.String,
  /** appName, tokenId, endpointId */
  Schema.String,
  Schema.String,
  Schema.String,
  Schema.Literals(tokenStatuses),
  /** version */
  NaturalNumber,
  /** endsAt, ending */
  Schema.NullOr(NaturalNumber),
  Schema.Literals(["expired", "rotated", "revoked"]),
  /** readSeq */
  NaturalNumber
])
const decodeEntry = Schema.decodeUnknownResult(Schema.fromJsonString(Entry))

const decoder = new TextDecoder()

export const encode = (token: HotToken): Uint8Array => {
  const entry: typeof Entry.Type = [
    token.tenantId,
    token.cacheKey,
    token.appName,
    token.tokenId,
    token.endpointId,
    token.status,
    token.version,
    token.endsAt,
    token.ending,
    token.readSeq
  ]
  return Buffer.from(formatCharacter + JSON.stringify(entry))
}

export const decode = (value: Uint8Array, key: CacheKey): HotToken | null => {
  if (value[0] !== format) return null
  const decoded = decodeEntry(decoder.decode(value.subarray(1)))
  if (Result.isFailure(decoded)) return null
  const [tenantId, cacheKey, appName, tokenId, endpointId, status, version, endsAt, ending, readSeq] = decoded.success
  if (tenantId !== key.tenantId || cacheKey !== key.cacheKey) return null
  return { tenantId, appName, tokenId, endpointId, status, version, endsAt, ending, readSeq, cacheKey }
}
