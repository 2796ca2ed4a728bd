/** The rows of an endpoint's tokens: Kaa's paths, and ours beside them. */
import { Effect, Schema } from "effect"
import * as Field from "../schema/Field.ts"
import {
  DeleteTokens,
  GetToken,
  ListTokens,
  NewTokenAnswer,
  ProvisionToken,
  RotateToken,
  TokenAnswer,
  TransitionToken
} from "../schema/TokenJson.ts"
import { contentTag, isKnown, isMatched, preconditionFailed } from "./Conditions.ts"
import { internal, type Problem, problem } from "./Problem.ts"
import type { Call, HttpAnswer, Row } from "./Row.ts"
import { tokenStates } from "./States.ts"
import { objectOf, usual } from "./usual.ts"

const list = "/api/v1/endpoints/{endpointId}/tokens"
const one = `${list}/{tokenId}`
const tag = "tokens"

const offsetMax = 10_000
const limitDefault = 20
const limitMax = 1_000
/** An endpoint has at most 1,000 tokens; a page may be shorter than asked for. */
const pagesMax = 64

const EndpointTokens = Schema.Struct({ content: Schema.Array(TokenAnswer), totalElements: Field.Count })

/** Every token of the endpoint that fits the filter, in order: walked page by page, since the bus knows no offset. */
const walk = Effect.fnUntraced(function* (call: Call) {
  const { cursor: _, limit: __, offset: ___, ...filter } = call.request
  const all: Array<unknown> = []
  let cursor: string | undefined
  for (let pages = 0; pages < pagesMax; pages++) {
    const page = yield* call.carryOut({ ...filter, limit: limitMax, ...(cursor === undefined ? {} : { cursor }) })
    const { content, nextCursor } = yield* objectOf(page.text)
    if (!Array.isArray(content)) return yield* Effect.fail(internal())
    all.push(...content)
    if (typeof nextCursor !== "string") return all
    cursor = nextCursor
  }
  return yield* Effect.fail(internal())
})

const listTokens = Effect.fnUntraced(function* (call: Call): Effect.fn.Return<HttpAnswer, Problem> {
  const all = yield* walk(call)
  const offset = typeof call.query.offset === "number" ? call.query.offset : 0
  const limit = typeof call.query.limit === "number" ? call.query.limit : limitDefault
  const body = JSON.stringify({ content: all.slice(offset, offset + limit), totalElements: all.length })
  const etag = contentTag(body)
  if (!isMatched(call.ifMatch, etag)) return yield* Effect.fail(preconditionFailed())
  return isKnown(call.ifNoneMatch, etag)
    ? { status: 304, body: null, headers: { ETag: etag } }
    : { status: 200, body, headers: { ETag: etag } }
})

const notFound = (): Problem => problem("TOKEN_NOT_FOUND", "Token not found")

/**
 * A token of another endpoint than the path's is not found. Who may not look is judged by the operation itself, by
 * what it touches; and a token that is gone is the operation's to tell, which may remember its answer.
 */
const ofThisEndpoint = Effect.fnUntraced(function* (call: Call): Effect.fn.Return<HttpAnswer, Problem> {
  const looked = yield* call.look("token.get", { tokenId: call.path.tokenId }).pipe(
    Effect.flatMap(({ text }) => objectOf(text)),
    Effect.catchIf(
      ({ status }) => status === 403 || status === 404,
      () => Effect.succeed(null)
    )
  )
  if (looked !== null && looked.endpointId !== call.path.endpointId) return yield* Effect.fail(notFound())
  return yield* usual(call)
})

/** Reading it is looking at it. */
const getToken = Effect.fnUntraced(function* (call: Call): Effect.fn.Return<HttpAnswer, Problem> {
  const { text } = yield* call.look("token.get", call.request)
  const { endpointId } = yield* objectOf(text)
  return endpointId === call.path.endpointId
    ? yield* usual({ ...call, carryOut: () => Effect.succeed({ status: 200, text }) })
    : yield* Effect.fail(notFound())
})

export const tokenRows: ReadonlyArray<Row> = [
  {
    method: "GET",
    path: list,
    tag,
    about: "The endpoint's tokens, newest first. The ETag is of the whole answer.",
    operation: "token.list",
    request: ListTokens,
    answer: EndpointTokens,
    statuses: [200, 304],
    query: [
      {
        name: "status",
        kind: "list",
        about: "Only tokens of these statuses; may be given several times",
        values: tokenStates
      },
      {
        name: "offset",
        field: null,
        kind: "integer",
        about: "How many to leave out",
        minimum: 0,
        maximum: offsetMax,
        byDefault: 0
      },
      {
        name: "limit",
        field: null,
        kind: "integer",
        about: "How many at most",
        minimum: 1,
        maximum: limitMax,
        byDefault: limitDefault
      },
      { name: "order", kind: "text", about: "By creation", values: ["ASC", "DESC"], byDefault: "DESC" }
    ],
    errors: [],
    carryOut: listTokens
  },
  {
    method: "POST",
    path: list,
    tag,
    about: "Provisions a token. Its value is in this answer and in no other.",
    operation: "token.provision",
    request: ProvisionToken,
    answer: NewTokenAnswer,
    statuses: [201],
    body: {
      fields: { appName: "appName", token: "token", expiresDate: "expiresDate", description: "description" },
      required: ["appName"],
      example: { appName: "meters", description: "the one in the cellar" }
    },
    location: `${list}/{tokenId}`,
    errors: ["APPLICATION_NOT_FOUND", "TOKEN_EXISTS", "LIMIT_REACHED"]
  },
  {
    method: "DELETE",
    path: list,
    tag,
    about: "Deletes all tokens of the endpoint; answers their number.",
    operation: "token.delete",
    request: DeleteTokens,
    answer: Field.Deleted,
    statuses: [200],
    errors: ["NOT_YET_IN_FORCE"]
  },
  {
    method: "GET",
    path: one,
    tag,
    about: "One token's record.",
    operation: "token.get",
    request: GetToken,
    answer: TokenAnswer,
    statuses: [200, 304],
    parts: { endpointId: null },
    tagged: true,
    errors: ["TOKEN_NOT_FOUND"],
    carryOut: getToken
  },
  {
    method: "PATCH",
    path: one,
    tag,
    about: "Suspends, activates or revokes a token; answered once that is in force everywhere.",
    operation: "token.transition",
    request: TransitionToken,
    answer: TokenAnswer,
    statuses: [200],
    parts: { endpointId: null },
    body: {
      fields: { status: "targetStatus", reason: "reason" },
      required: ["status"],
      example: { status: "Revoked", reason: "lost" }
    },
    version: "expectedVersion",
    tagged: true,
    errors: ["TOKEN_NOT_FOUND", "TRANSITION_NOT_ALLOWED", "NOT_YET_IN_FORCE"],
    carryOut: ofThisEndpoint
  },
  {
    method: "DELETE",
    path: one,
    tag,
    about: "Deletes a token.",
    operation: "token.delete",
    request: DeleteTokens,
    answer: null,
    statuses: [204],
    parts: { endpointId: null },
    version: "expectedVersion",
    errors: ["TOKEN_NOT_FOUND", "NOT_YET_IN_FORCE"],
    carryOut: ofThisEndpoint
  },
  {
    method: "POST",
    path: `${one}/rotate`,
    tag,
    about: "Gives the token a successor; the old one is good until the overlap is over.",
    operation: "token.rotate",
    request: RotateToken,
    answer: NewTokenAnswer,
    statuses: [201],
    parts: { endpointId: null },
    body: { fields: { overlap: "overlap", token: "token" }, required: [], example: { overlap: "PT1H" } },
    version: "expectedVersion",
    location: `${list}/{tokenId}`,
    errors: ["TOKEN_NOT_FOUND", "TOKEN_EXISTS", "TRANSITION_NOT_ALLOWED", "NOT_YET_IN_FORCE"],
    carryOut: ofThisEndpoint
  }
]
