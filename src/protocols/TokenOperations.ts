/** `{instance}.v1.{tenant}.token.*`: a token's life. Validation is in `TokenValidationOperations.ts`. */
import { Effect, Result } from "effect"
import type { Place } from "../access/Decision.ts"
import {
  type Caller,
  type ItemResult,
  type Provisioned,
  type ProvisionItem,
  Tenants,
  type TokenRef
} from "../actors/tenant/Tenants.ts"
import { InvalidRequest } from "../domain/errors.ts"
import { entityIdPattern } from "../domain/Names.ts"
import type { TokenStatus } from "../domain/Token.ts"
import { Deleted } from "../schema/Field.ts"
import * as Json from "../schema/TokenJson.ts"
import { withinBatch } from "./BatchLimit.ts"
import { answerOfItems, operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"
import { PayloadTooLarge } from "./ProtocolError.ts"
import { failureOf } from "./Status.ts"

const provisionItem = (item: Json.ProvisionItem): ProvisionItem => ({
  endpointId: item.endpointId,
  token: item.token ?? null,
  expiresAt: item.expiresDate ?? null,
  description: item.description ?? null
})

const newToken = ({ record, token }: Provisioned) => ({ ...Json.encodeToken(record), token })

/** A batch of one, whose failure is the request's. */
const lift = <A>(results: ReadonlyArray<ItemResult<A>>) =>
  results[0] === undefined
    ? Effect.die(new Error("a batch of one was answered with none"))
    : Effect.fromResult(results[0])

type Judged<A> = ReadonlyArray<Result.Result<A, InvalidRequest>>

/** The items of a batch that are not malformed. */
const takenOf = <A>(items: Judged<A>): ReadonlyArray<A> =>
  items.flatMap((item) => (Result.isSuccess(item) ? [item.success] : []))

/** What is wrong with an item is named by its path in the whole request, whoever found it. */
const placed = <A>(result: ItemResult<A>, index: number): ItemResult<A> =>
  Result.isFailure(result) && result.failure._tag === "InvalidRequest"
    ? Result.fail(new InvalidRequest({ path: `items[${index}].${result.failure.path}`, reason: result.failure.reason }))
    : result

/** The outcomes of those that were taken, and of each malformed one its refusal, as they stood in the batch. */
const inOrder = <A>(items: Judged<unknown>, results: ReadonlyArray<ItemResult<A>>): ReadonlyArray<ItemResult<A>> => {
  const outcomes = results.values()
  return items.map((item, index) => {
    if (Result.isFailure(item)) return Result.fail(item.failure)
    const { done, value } = outcomes.next()
    if (done) throw new Error("an item of a batch has no outcome")
    return placed(value, index)
  })
}

/** Each item's own outcome, in order. */
const itemResults = <A, B extends object>(
  results: ReadonlyArray<ItemResult<A>>,
  statusCode: number,
  encode: (value: A) => B
) =>
  answerOfItems(results, (result) =>
    Result.isSuccess(result) ? { statusCode, ...encode(result.success) } : failureOf(result.failure)
  )

/** The most bytes that a record can have beside its texts, and that a character can have in JSON. */
const recordBytesMax = 1_024
const characterBytesMax = 6

/** A value is shown once: an answer that would not fit must be known before anything is done. */
const refuseWhatCannotBeAnswered = (items: ReadonlyArray<Json.ProvisionItem>, bytesMax: number) => {
  const bytes = items.reduce(
    (sum, { description = "", token = "" }) =>
      sum + recordBytesMax + (description.length + token.length) * characterBytesMax,
    0
  )
  return bytes > bytesMax ? Effect.fail(new PayloadTooLarge({ part: "answer", bytesMax })) : Effect.void
}

const refOf = (request: { readonly tokenId?: string; readonly appName?: string; readonly token?: string }): TokenRef =>
  request.tokenId === undefined
    ? { appName: request.appName ?? "", token: request.token ?? "" }
    : { tokenId: request.tokenId }

const changeOne = Effect.fnUntraced(function* (
  tenantId: string,
  request: typeof Json.ChangeToken.Type,
  target: TokenStatus,
  caller: Caller
) {
  const tenants = yield* Tenants
  const transition = { target, expectedVersion: request.expectedVersion ?? null, reason: request.reason ?? null }
  const results = yield* tenants.transitionTokens(tenantId, [refOf(request)], transition, caller)
  return Json.encodeToken(yield* lift(results))
})

/** Where the tokens are. A value that nobody has may be somebody's in a moment: it needs its whole application. */
const touched = Effect.fnUntraced(function* (tenantId: string, refs: ReadonlyArray<TokenRef>) {
  const tenants = yield* Tenants
  const places = yield* tenants.whereTokensAre(tenantId, refs)
  return refs.map((ref, index): Place | null => {
    const place = places[index] ?? null
    if (place !== null) return { endpointId: place.endpointId, appNames: [place.appName] }
    return "appName" in ref ? { appNames: [ref.appName] } : null
  })
})

/** An endpoint, of the application that is named, or of those that it has tokens of. */
const touchedEndpoint = Effect.fnUntraced(function* (
  tenantId: string,
  endpointId: string | undefined,
  appName?: string
) {
  if (endpointId === undefined) return [appName === undefined ? {} : { appNames: [appName] }]
  const tenants = yield* Tenants
  const appNames = appName === undefined ? yield* tenants.applicationsOfEndpoint(tenantId, endpointId) : [appName]
  return [{ endpointId, appNames }]
})

const changeErrors = ["TOKEN_NOT_FOUND", "TRANSITION_NOT_ALLOWED", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"] as const

/** `suspend`, `activate`, `revoke`: a transition whose target is the verb's. */
const shorthand = (verb: string, target: TokenStatus) =>
  operation({
    family: "tenant",
    name: `token.${verb}`,
    about: `A transition to ${target}.`,
    request: Json.ChangeToken,
    answer: Json.TokenAnswer,
    errors: changeErrors,
    touches: (request, tenantId) => touched(tenantId, [refOf(request)]),
    handle: (request, { caller, tenantId }) => changeOne(tenantId, request, target, caller)
  })

export const tokenOperations = [
  operation({
    family: "tenant",
    name: "token.provision",
    about: "Makes a token for an endpoint. Its value, given or generated, is answered here and never again.",
    request: Json.ProvisionToken,
    answer: Json.NewTokenAnswer,
    statuses: [201],
    errors: ["APPLICATION_NOT_FOUND", "TOKEN_EXISTS", "LIMIT_REACHED"],
    touches: ({ appName, endpointId }) => Effect.succeed([{ endpointId, appNames: [appName] }]),
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const tenants = yield* Tenants
      const items = [provisionItem(request)]
      return newToken(yield* lift(yield* tenants.provisionTokens(tenantId, request.appName, items, caller)))
    })
  }),
  operation({
    family: "tenant",
    name: "token.provision-batch",
    about: "Makes up to 1,000 tokens of one application; each item has its own outcome, in order.",
    request: Json.ProvisionTokens,
    decode: Json.decodeProvisionTokens,
    answer: Json.ProvisionResults,
    errors: ["APPLICATION_NOT_FOUND"],
    touches: ({ items, rest }) =>
      Effect.succeed(takenOf(items).map(({ endpointId }) => ({ endpointId, appNames: [rest.appName] }))),
    handle: Effect.fnUntraced(function* ({ items, rest }, { answerBytesMax, caller, tenantId }) {
      yield* withinBatch(tenantId, "items", items)
      const taken = takenOf(items)
      yield* refuseWhatCannotBeAnswered(taken, answerBytesMax)
      const tenants = yield* Tenants
      const results = yield* tenants.provisionTokens(tenantId, rest.appName, taken.map(provisionItem), caller)
      return yield* itemResults(inOrder(items, results), 201, newToken)
    })
  }),
  operation({
    family: "tenant",
    name: "token.get",
    about: "A token's record, without its value.",
    request: Json.GetToken,
    answer: Json.TokenAnswer,
    errors: ["TOKEN_NOT_FOUND", "NOT_YET_IN_FORCE"],
    touches: ({ tokenId }, tenantId) => touched(tenantId, [{ tokenId }]),
    handle: Effect.fnUntraced(function* ({ tokenId }, { tenantId }) {
      const tenants = yield* Tenants
      return Json.encodeToken(yield* tenants.getToken(tenantId, tokenId))
    })
  }),
  operation({
    family: "tenant",
    name: "token.list",
    about:
      "Tokens by application, endpoint, status, principal and times, in order of creation. A page may be shorter than its limit.",
    request: Json.ListTokens,
    answer: Json.TokenPage,
    errors: ["INVALID_CURSOR", "NOT_YET_IN_FORCE"],
    touches: ({ appName, endpointId }, tenantId) => touchedEndpoint(tenantId, endpointId, appName),
    handle: Effect.fnUntraced(function* (request, { answerBytesMax, tenantId }) {
      const tenants = yield* Tenants
      const { appName = null, cursor, endpointId = null, limit, order, status: statuses = [] } = request
      const { createdBy = null, expiringBefore = null, unusedSince = null } = request
      const asked = { createdBy, expiringBefore, unusedSince }
      return yield* answerPage({
        list: "token.list",
        of: [tenantId, appName, endpointId, Array.from(new Set(statuses)).toSorted(), asked, order],
        place: entityIdPattern,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (limit, after) =>
          tenants.listTokens(tenantId, { appName, endpointId, statuses, ...asked, order, limit, after }),
        encode: Json.encodeToken
      })
    })
  }),
  operation({
    family: "tenant",
    name: "token.transition",
    about: "Changes a token's status; what takes a right away is answered when it is in force everywhere.",
    request: Json.TransitionToken,
    answer: Json.TokenAnswer,
    errors: changeErrors,
    touches: (request, tenantId) => touched(tenantId, [refOf(request)]),
    handle: ({ targetStatus, ...request }, { caller, tenantId }) => changeOne(tenantId, request, targetStatus, caller)
  }),
  shorthand("suspend", "Suspended"),
  shorthand("activate", "Active"),
  shorthand("revoke", "Revoked"),
  operation({
    family: "tenant",
    name: "token.transition-batch",
    about: "Changes the status of up to 1,000 tokens; each has its own outcome, in order.",
    request: Json.TransitionTokens,
    decode: Json.decodeTransitionTokens,
    answer: Json.TransitionResults,
    errors: ["NOT_YET_IN_FORCE"],
    touches: ({ items }, tenantId) =>
      touched(
        tenantId,
        takenOf(items).map((tokenId) => ({ tokenId }))
      ),
    handle: Effect.fnUntraced(function* ({ items, rest }, { caller, tenantId }) {
      yield* withinBatch(tenantId, "tokenIds", items)
      const tenants = yield* Tenants
      const refs = takenOf(items).map((tokenId) => ({ tokenId }))
      const transition = { target: rest.targetStatus, expectedVersion: null, reason: rest.reason ?? null }
      const results = yield* tenants.transitionTokens(tenantId, refs, transition, caller)
      return yield* itemResults(inOrder(items, results), 200, Json.encodeToken)
    })
  }),
  operation({
    family: "tenant",
    name: "token.rotate",
    about: "A new token for the endpoint; the old one answers 200 until the overlap ends, then 410.",
    request: Json.RotateToken,
    answer: Json.NewTokenAnswer,
    statuses: [201],
    errors: [
      "TOKEN_NOT_FOUND",
      "TOKEN_EXISTS",
      "TRANSITION_NOT_ALLOWED",
      "VERSION_CONFLICT",
      "LIMIT_REACHED",
      "NOT_YET_IN_FORCE"
    ],
    touches: ({ tokenId }, tenantId) => touched(tenantId, [{ tokenId }]),
    handle: Effect.fnUntraced(function* (
      { expectedVersion = null, overlap, token = null, tokenId },
      { caller, tenantId }
    ) {
      const tenants = yield* Tenants
      const asked = { tokenId, overlapMs: overlap, token, expectedVersion }
      return newToken(yield* tenants.rotateToken(tenantId, asked, caller))
    })
  }),
  operation({
    family: "tenant",
    name: "token.delete",
    about: "Deletes a token, or all of an endpoint's.",
    request: Json.DeleteTokens,
    answer: Deleted,
    errors: ["TOKEN_NOT_FOUND", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"],
    touches: ({ endpointId, tokenId }, tenantId) =>
      tokenId === undefined ? touchedEndpoint(tenantId, endpointId) : touched(tenantId, [{ tokenId }]),
    handle: Effect.fnUntraced(function* ({ endpointId, expectedVersion = null, tokenId }, { caller, tenantId }) {
      const tenants = yield* Tenants
      const what = tokenId === undefined ? { endpointId: endpointId ?? "" } : { tokenId, expectedVersion }
      return yield* tenants.deleteTokens(tenantId, what, caller)
    })
  })
]
