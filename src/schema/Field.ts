/**
 * The fields that management requests and answers share, each with its limit.
 *
 * Patterns come from `domain/Names.ts` and carry the `u` flag, so that they reach the published
 * JSON schemas. Texts must be well formed: a lone surrogate would not survive UTF-8.
 */
import { Effect, Schema } from "effect"
import {
  appNamePattern,
  batchItemsMax,
  endpointIdPattern,
  pageLimitDefault,
  pageLimitMax,
  tenantIdPattern,
  tokenValuePattern
} from "../domain/Names.ts"
import { tokenStatuses } from "../domain/Token.ts"

const wellFormed = Schema.makeFilter((text: string) => text.isWellFormed() || "must be well-formed Unicode")

export const TenantId = Schema.String.check(Schema.isPattern(tenantIdPattern))
export const AppName = Schema.String.check(Schema.isPattern(appNamePattern))
export const EndpointId = Schema.String.check(Schema.isPattern(endpointIdPattern))
/** A token's value. Its pattern is in the reason of a refusal, the value never. */
export const TokenValue = Schema.String.check(Schema.isPattern(tokenValuePattern), wellFormed)
/** Any text: what is not an id of ours is unknown, not malformed. */
export const EntityId = Schema.String.annotate({ description: "a UUIDv7; another text is an unknown one" })
export const Version = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A free text of at most 256 characters (code points). */
export const FreeText = Schema.String.check(Schema.isPattern(/^[\s\S]{0,256}$/u), wellFormed)

export const Limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageLimitMax })).pipe(
  Schema.withDecodingDefaultKey(Effect.succeed(pageLimitDefault))
)
/** Without a limit as much as a page may hold: for lists that are rarely longer than that. */
export const WholeLimit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageLimitMax })).pipe(
  Schema.withDecodingDefaultKey(Effect.succeed(pageLimitMax))
)
export const Cursor = Schema.optionalKey(Schema.String.annotate({ description: "nextCursor of the page before" }))

/** Between 1 and 1,000 of something. */
export const batchOf = <S extends Schema.Top>(item: S) =>
  Schema.Array(item).check(Schema.isMinLength(1), Schema.isMaxLength(batchItemsMax))

export const TokenStatus = Schema.Literals(tokenStatuses)

/** A date as it is answered. */
export const AnsweredDate = Schema.String.annotate({ format: "date-time", description: "ISO 8601, UTC, milliseconds" })

/** An object without any field. */
export const Nothing = Schema.Record(Schema.String, Schema.Never.annotate({ message: "Expected no excess property" }))

export const page = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ content: Schema.Array(item), nextCursor: Schema.optionalKey(Schema.String) })

export const Deleted = Schema.Struct({ deleted: Count })

/** One entry of a batch's answer that failed: the fields of an error body. */
export const FailedItem = Schema.Struct({
  statusCode: Schema.Int,
  code: Schema.String,
  reasonPhrase: Schema.String,
  details: Schema.Record(Schema.String, Schema.Unknown)
})
