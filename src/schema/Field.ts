/**
 * The fields that management requests and answers share, each with its limit.
 *
 * Patterns come from `domain/Names.ts` and carry the `u` flag, so that they reach the published
 * JSON schemas. Texts must be well formed: a lone surrogate would not survive UTF-8.
 *
 * Every text is bounded: by a pattern, a length, or a format, whose fields read a text that is none of
 * its kind as a short one that stands for nothing.
 */
import { Effect, Schema, SchemaTransformation } from "effect"
import {
  appNamePattern,
  batchItemsMax,
  cursorLengthMax,
  endpointIdPattern,
  hasAtMost,
  isEntityId,
  pageLimitDefault,
  pageLimitMax,
  tenantIdPattern,
  tokenValueLengthMax,
  tokenValuePattern,
  unknownEntityId
} from "../domain/Names.ts"
import { tokenStatuses } from "../domain/Token.ts"

export const wellFormed = Schema.makeFilter((text: string) => text.isWellFormed() || "must be well-formed Unicode")

/** As many characters at most as `maxLength` says in the published schema, which counts code points (JSON Schema). */
export const atMost = (maxLength: number) =>
  Schema.makeFilter((text: string) => hasAtMost(text, maxLength), {
    expected: `a value with a length of at most ${maxLength}`,
    toJsonSchema: () => ({ maxLength }),
    arbitraryConstraint: { maxLength }
  })

/** What stands in `Idempotency-Key`, on the bus and over HTTP. */
export const idempotencyKeyPattern = /^[\x21-\x7e]{1,128}$/u
export const idempotencyKeyRule = "must be 1 to 128 visible ASCII characters, without blanks"

export const TenantId = Schema.String.check(Schema.isPattern(tenantIdPattern))
export const AppName = Schema.String.check(Schema.isPattern(appNamePattern))
export const EndpointId = Schema.String.check(Schema.isPattern(endpointIdPattern))
/** A token's value. Its pattern is in the reason of a refusal, the value never. */
export const TokenValue = Schema.String.check(Schema.isPattern(tokenValuePattern), wellFormed)
/** A text that is read as `instead` when it is not what it should be; `format` says so in the published schema. */
const readAs = (format: string, description: string, isRight: (text: string) => boolean, instead: string) =>
  Schema.String.annotate({ format, description }).pipe(
    Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transform({
        decode: (text: string) => (isRight(text) ? text : instead),
        encode: (text: string) => text
      })
    )
  )

/** What is not an id of ours is unknown, not malformed. */
export const EntityId = readAs("uuid", "a UUIDv7; another text is an unknown one", isEntityId, unknownEntityId)
/** A name or a token's value that gets a verdict, whatever it is: a longer one is as good as none. */
export const Judged = readAs(
  "judged",
  "another text than the pattern has gets the verdict 400",
  (text) => hasAtMost(text, tokenValueLengthMax),
  ""
)
export const Version = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A free text of at most 256 characters (code points). */
export const FreeText = Schema.String.check(Schema.isPattern(/^[\s\S]{0,256}$/u), wellFormed)

/** A name of at most 256 characters that stands in one line: not empty, no control character. */
export const NameText = Schema.String.check(Schema.isPattern(/^[^\p{Cc}]{1,256}$/u), wellFormed)

export const limitOf = (byDefault: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )
export const Limit = limitOf(pageLimitDefault, pageLimitMax)
/** Without a limit as much as a page may hold: for lists that are rarely longer than that. */
export const WholeLimit = limitOf(pageLimitMax, pageLimitMax)
export const Cursor = Schema.optionalKey(
  readAs("cursor", "nextCursor of the page before", (text) => text.length <= cursorLengthMax, "")
)

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

export const Details = Schema.Record(Schema.String, Schema.Unknown)

/** One entry of a batch's answer that failed: the fields of an error body. */
export const FailedItem = Schema.Struct({
  statusCode: Schema.Int,
  code: Schema.String,
  reasonPhrase: Schema.String,
  details: Details
})
