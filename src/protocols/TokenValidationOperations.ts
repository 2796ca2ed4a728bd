/**
 * `{instance}.v1.{tenant}.token.validate` and `validate-batch`: the answer of 16/ECAP in JSON.
 *
 * The request itself succeeds; the verdict is in the body. It counts as a use, unless `dryRun`.
 */
import { Effect } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import * as Json from "../schema/TokenJson.ts"
import { operation } from "./Operation.ts"

export const tokenValidationOperations = [
  operation({
    family: "tenant",
    name: "token.validate",
    about: "Whether a token is good, as 16/ECAP would answer. Counts as a use, unless dryRun.",
    request: Json.ValidateToken,
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
    answer: Json.ValidationResults,
    handle: Effect.fnUntraced(function* ({ items }, { tenantId }) {
      const tenants = yield* Tenants
      return { results: yield* tenants.validate(tenantId, items, { dryRun: false }) }
    })
  })
]
