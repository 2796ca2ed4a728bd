/**
 * `{instance}.v1.{tenant}.token.validate` and `validate-batch`: the answer of 16/ECAP in JSON.
 *
 * The request itself succeeds; the verdict is in the body. It counts as a use, unless `dryRun`.
 * A malformed item of a batch has the verdict 400, with what is wrong beside it.
 */
import { Effect, Result } from "effect"
import { Tenants, type ValidationAnswer } from "../actors/tenant/Tenants.ts"
import * as Pieces from "../observability/Pieces.ts"
import { PlainItems } from "../schema/PlainItems.ts"
import * as Json from "../schema/TokenJson.ts"
import { withinBatch } from "./BatchLimit.ts"
import { answerOfItems, JsonBytes, operation } from "./Operation.ts"
import { failureOf } from "./Status.ts"

const jsonOf = (answer: ValidationAnswer): string => JSON.stringify(answer)
const withoutIds = { tokenId: null, endpointId: null, status: null }

export const tokenValidationOperations = [
  operation({
    family: "tenant",
    name: "token.validate",
    about: "Whether a token is good, as 16/ECAP would answer. Counts as a use, unless dryRun.",
    request: Json.ValidateToken,
    decode: Json.decodeValidateToken,
    answer: Json.ValidationAnswer,
    handle: Effect.fnUntraced(function* ({ appName, dryRun, token }, { tenantId }) {
      const tenants = yield* Tenants
      const answers = yield* tenants.validate(tenantId, [{ appName, token }], { dryRun })
      return answers[0] ?? (yield* Effect.die(new Error("a batch of one was answered with none")))
    })
  }),
  operation({
    family: "tenant",
    name: "token.validate-batch",
    about: "The same for up to 1,000 tokens, answered in order.",
    request: Json.ValidateTokens,
    decode: Json.decodeValidateTokens,
    answer: Json.ValidationResults,
    handle: Effect.fnUntraced(function* ({ items }, { tenantId }) {
      yield* withinBatch(tenantId, "items", items)
      const tenants = yield* Tenants
      if (items instanceof PlainItems) {
        const { others, written } = yield* tenants.validatePlain(tenantId, items)
        const texts = yield* Pieces.run(others.length, Pieces.map(others, jsonOf), Pieces.lightPieceMax)
        return new JsonBytes(written.join(texts))
      }
      const taken = items.flatMap((item) => (Result.isSuccess(item) ? [item.success] : []))
      const verdicts = (yield* tenants.validate(tenantId, taken, { dryRun: false })).values()
      const verdictOf = (item: (typeof items)[number]) => {
        if (Result.isFailure(item)) return { ...failureOf(item.failure), ...withoutIds }
        const { done, value } = verdicts.next()
        if (done) throw new Error("an item of a batch has no verdict")
        return value
      }
      return yield* answerOfItems(items, verdictOf, Pieces.lightPieceMax)
    })
  })
]
