/**
 * `token.*`: what travels.
 *
 * A record never holds the token's value; only the answers to `provision` and `rotate` do.
 */
import { Effect, Result, Schema, SchemaGetter, SchemaIssue } from "effect"
import type { InvalidRequest } from "../domain/errors.ts"
import { tokenValueLengthMax } from "../domain/Names.ts"
import { type TokenStatus as Status, type Token, tokenStatuses } from "../domain/Token.ts"
import * as Field from "./Field.ts"
import { decodeBatch, decodeJudged, type Items } from "./Json.ts"
import { type PlainItems, readPlainItems } from "./PlainItems.ts"
import { formatDate, IsoDate, IsoDuration } from "./Timestamp.ts"

// ---- requests ---------------------------------------------------------------

/** Applications that one request names. */
const applicationsMax = 100

const targets = ["Active", "Suspended", "Revoked"] as const

/** 16/ECAP and management alike: `Active`, `Suspended` or `Revoked` in any case; null for another text. */
export const parseTargetStatus = (text: string): Status | null =>
  targets.find((status) => status.toLowerCase() === text.toLowerCase()) ?? null

export const TargetStatus = Schema.String.annotate({
  description: "Active, Suspended or Revoked, in any case",
  examples: ["Suspended"]
}).pipe(
  Schema.decodeTo(Schema.Literals(tokenStatuses), {
    decode: SchemaGetter.transformEffect((text: string) => {
      const status = parseTargetStatus(text)
      return status === null
        ? Effect.fail(new SchemaIssue.InvalidValue({ expected: "Active, Suspended or Revoked" }))
        : Effect.succeed(status)
    }),
    encode: SchemaGetter.transform((status: Status) => status)
  })
)

const provisionFields = {
  endpointId: Field.EndpointId,
  token: Schema.optionalKey(Field.TokenValue),
  expiresDate: Schema.optionalKey(IsoDate),
  description: Schema.optionalKey(Field.FreeText)
}
export const ProvisionToken = Schema.Struct({ appName: Field.AppName, ...provisionFields })
const ProvisionItem = Schema.Struct(provisionFields)
export type ProvisionItem = typeof ProvisionItem.Type
export const ProvisionTokens = Schema.Struct({ appName: Field.AppName, items: Field.batchOf(ProvisionItem) })
export const decodeProvisionTokens = decodeBatch({
  schema: ProvisionTokens,
  rest: Schema.Struct({ appName: Field.AppName }),
  list: "items",
  item: ProvisionItem
})

export const GetToken = Schema.Struct({ tokenId: Field.EntityId })

/** A principal, to the letter as records name it. */
const PrincipalName = Schema.String.check(Schema.isPattern(/^\P{C}{1,384}$/u))

export const ListTokens = Schema.Struct({
  appName: Schema.optionalKey(Field.AppName),
  endpointId: Schema.optionalKey(Field.EndpointId),
  createdBy: Schema.optionalKey(PrincipalName),
  unusedSince: Schema.optionalKey(IsoDate),
  expiringBefore: Schema.optionalKey(IsoDate),
  status: Schema.optionalKey(Schema.Array(Field.TokenStatus).check(Schema.isMaxLength(tokenStatuses.length))),
  limit: Field.Limit,
  cursor: Field.Cursor,
  order: Schema.Literals(["ASC", "DESC"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("DESC" as const)))
})

interface RefFields {
  readonly tokenId?: string
  readonly appName?: string
  readonly token?: string
}
const refFields = {
  tokenId: Schema.optionalKey(Field.EntityId),
  appName: Schema.optionalKey(Field.AppName),
  token: Schema.optionalKey(Field.TokenValue)
}
const namesOneToken = Schema.makeFilter(({ appName, token, tokenId }: RefFields) =>
  tokenId === undefined ? appName !== undefined && token !== undefined : appName === undefined && token === undefined
).annotate({ expected: "either tokenId, or appName and token" })

const changeFields = {
  ...refFields,
  expectedVersion: Schema.optionalKey(Field.Version),
  reason: Schema.optionalKey(Field.FreeText)
}
export const TransitionToken = Schema.Struct({ ...changeFields, targetStatus: TargetStatus }).check(namesOneToken)
/** `suspend`, `activate`, `revoke`. */
export const ChangeToken = Schema.Struct(changeFields).check(namesOneToken)
const forAll = { targetStatus: TargetStatus, reason: Schema.optionalKey(Field.FreeText) }
export const TransitionTokens = Schema.Struct({ tokenIds: Field.batchOf(Field.EntityId), ...forAll })
export const decodeTransitionTokens = decodeBatch({
  schema: TransitionTokens,
  rest: Schema.Struct(forAll),
  list: "tokenIds",
  item: Field.EntityId
})

export const RotateToken = Schema.Struct({
  tokenId: Field.EntityId,
  expectedVersion: Schema.optionalKey(Field.Version),
  overlap: IsoDuration.pipe(Schema.withDecodingDefaultKey(Effect.succeed("PT0S"))),
  token: Schema.optionalKey(Field.TokenValue)
})

interface DeleteFields {
  readonly tokenId?: string
  readonly endpointId?: string
  readonly expectedVersion?: number
}
export const DeleteTokens = Schema.Struct({
  tokenId: Schema.optionalKey(Field.EntityId),
  endpointId: Schema.optionalKey(Field.EndpointId),
  expectedVersion: Schema.optionalKey(Field.Version)
}).check(
  Schema.makeFilter(
    ({ endpointId, expectedVersion, tokenId }: DeleteFields) =>
      (tokenId === undefined) !== (endpointId === undefined) && (tokenId !== undefined || expectedVersion === undefined)
  ).annotate({ expected: "either tokenId, with an expectedVersion or without, or endpointId" })
)

const selectors = {
  applications: Schema.optionalKey(
    Schema.Array(Field.AppName).check(Schema.isMinLength(1), Schema.isMaxLength(applicationsMax))
  ),
  endpointIds: Schema.optionalKey(Field.batchOf(Field.EndpointId)),
  createdBefore: Schema.optionalKey(IsoDate),
  createdBy: Schema.optionalKey(PrincipalName),
  unusedSince: Schema.optionalKey(IsoDate)
}
/** What is given must hold all together; nothing given would be all there is, and nobody means that by mistake. */
export const RevokeAllTokens = Schema.Struct({
  ...selectors,
  dryRun: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  reason: Schema.optionalKey(Field.FreeText)
}).check(
  Schema.makeFilter((request: Partial<Record<keyof typeof selectors, unknown>>) =>
    Object.keys(selectors).some((name) => request[name as keyof typeof selectors] !== undefined)
  ).annotate({ expected: "at least one of applications, endpointIds, createdBefore, createdBy, unusedSince" })
)
export const RevokeAllStatus = Schema.Struct({ operationId: Field.EntityId })

/** Texts outside their patterns get the verdict 400; they are not a malformed request. */
const validationFields = { appName: Field.Judged, token: Field.Judged }
export const ValidateToken = Schema.Struct({
  ...validationFields,
  dryRun: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
})
export const decodeValidateToken = decodeJudged(ValidateToken)
const ValidationItem = Schema.Struct(validationFields)
export const ValidateTokens = Schema.Struct({ items: Field.batchOf(ValidationItem) })
/** Nearly every item is two texts that stay as they are: a schema takes longer for it than its validation. */
const plainItem = (one: unknown): typeof ValidationItem.Type | undefined => {
  if (typeof one !== "object" || one === null) return undefined
  const { appName, token } = one as { readonly appName?: unknown; readonly token?: unknown }
  if (typeof appName !== "string" || typeof token !== "string") return undefined
  if (appName.length > tokenValueLengthMax || token.length > tokenValueLengthMax) return undefined
  for (const key in one) if (key !== "appName" && key !== "token") return undefined
  return { appName, token }
}
/** By the parser and the schema, whatever it is. */
export const decodeAnyItems = decodeBatch({
  schema: ValidateTokens,
  rest: Field.Nothing,
  list: "items",
  item: ValidationItem,
  quick: plainItem,
  judgesTexts: true
})
/** What is plain is read where it lies, and is the same to whoever asks for its texts. */
export const decodeValidateTokens = (
  payload: Uint8Array
): Result.Result<{ readonly items: PlainItems | Items<typeof ValidationItem> }, InvalidRequest> => {
  const items = readPlainItems(payload)
  return items === null ? decodeAnyItems(payload) : Result.succeed({ items })
}

// ---- answers ----------------------------------------------------------------

const recordFields = {
  tokenId: Schema.String,
  appName: Schema.String,
  endpointId: Schema.String,
  status: Field.TokenStatus,
  version: Field.Version,
  tokenHint: Schema.NullOr(Schema.String),
  createdDate: Field.AnsweredDate,
  updatedDate: Field.AnsweredDate,
  activatedDate: Schema.optionalKey(Field.AnsweredDate),
  lastUsedDate: Schema.optionalKey(Field.AnsweredDate),
  expiresDate: Schema.optionalKey(Field.AnsweredDate),
  description: Schema.optionalKey(Schema.String),
  createdBy: Schema.String,
  updatedBy: Schema.String
}
export const TokenAnswer = Schema.Struct(recordFields)
export type TokenAnswer = typeof TokenAnswer.Type
export const NewTokenAnswer = Schema.Struct({ ...recordFields, token: Schema.String })
export const TokenPage = Field.page(TokenAnswer)

const itemOf = <F extends Schema.Struct.Fields>(fields: F) =>
  Schema.Union([Schema.Struct({ statusCode: Schema.Int, ...fields }), Field.FailedItem])
export const ProvisionResults = Schema.Struct({
  results: Schema.Array(itemOf({ ...recordFields, token: Schema.String }))
})
export const TransitionResults = Schema.Struct({ results: Schema.Array(itemOf(recordFields)) })

export const ValidationAnswer = Schema.Struct({
  statusCode: Schema.Int,
  reasonPhrase: Schema.NullOr(Schema.String),
  tokenId: Schema.NullOr(Schema.String),
  endpointId: Schema.NullOr(Schema.String),
  status: Schema.NullOr(Field.TokenStatus)
})
/** A malformed item has the verdict 400, and beside it what is wrong with it. */
const MalformedItem = Schema.Struct({ ...ValidationAnswer.fields, code: Schema.String, details: Field.Details })
export const ValidationResults = Schema.Struct({
  results: Schema.Array(Schema.Union([MalformedItem, ValidationAnswer]))
})

/** `atLeast`: there are more, they were not all counted in time. */
const matchedFields = { matched: Field.Count, atLeast: Schema.optionalKey(Schema.Literal(true)) }
/** Without an `operationId` nothing was begun: it was a dry run. */
export const RevokeAllAnswer = Schema.Struct({ operationId: Schema.optionalKey(Schema.String), ...matchedFields })
/** `done`: so many were revoked. State `done`: all of it is in force. */
export const RevokeAllStatusAnswer = Schema.Struct({
  operationId: Schema.String,
  state: Schema.Literals(["running", "done"]),
  ...matchedFields,
  done: Field.Count,
  createdBy: Schema.String,
  startedDate: Field.AnsweredDate,
  finishedDate: Schema.optionalKey(Field.AnsweredDate)
})

/** A token's record; dates and texts that it does not have are left out. */
export const encodeToken = (
  token: Omit<Token, "hash" | "hashKeyId" | "tenantId" | "overlapEndsAt" | "endedBy" | "reason">
): TokenAnswer => ({
  tokenId: token.tokenId,
  appName: token.appName,
  endpointId: token.endpointId,
  status: token.status,
  version: token.version,
  tokenHint: token.tokenHint,
  createdDate: formatDate(token.createdAt),
  updatedDate: formatDate(token.updatedAt),
  ...(token.activatedAt === null ? {} : { activatedDate: formatDate(token.activatedAt) }),
  ...(token.lastUsedAt === null ? {} : { lastUsedDate: formatDate(token.lastUsedAt) }),
  ...(token.expiresAt === null ? {} : { expiresDate: formatDate(token.expiresAt) }),
  ...(token.description === null ? {} : { description: token.description }),
  createdBy: token.createdBy,
  updatedBy: token.updatedBy
})
