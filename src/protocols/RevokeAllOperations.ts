/** `{instance}.v1.{tenant}.token.revoke-all` and its status: a whole population of tokens. */
import { Effect } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import type { TokenPopulation } from "../domain/TokenPopulation.ts"
import { formatDate } from "../schema/Timestamp.ts"
import * as Json from "../schema/TokenJson.ts"
import { withinBatch } from "./BatchLimit.ts"
import { operation } from "./Operation.ts"

const populationOf = (request: typeof Json.RevokeAllTokens.Type): TokenPopulation => ({
  applications: request.applications === undefined ? null : Array.from(new Set(request.applications)),
  endpointIds: request.endpointIds === undefined ? null : Array.from(new Set(request.endpointIds)),
  createdBefore: request.createdBefore ?? null,
  createdBy: request.createdBy ?? null,
  unusedSince: request.unusedSince ?? null
})

const matchedOf = ({ isAtLeast, matched }: { readonly matched: number; readonly isAtLeast: boolean }) => ({
  matched,
  ...(isAtLeast ? { atLeast: true as const } : {})
})

export const revokeAllOperations = [
  operation({
    family: "tenant",
    name: "token.revoke-all",
    about:
      "Revokes a whole population of tokens, in pieces; what is given must hold all together. A dry run counts only.",
    request: Json.RevokeAllTokens,
    answer: Json.RevokeAllAnswer,
    errors: ["APPLICATION_NOT_FOUND", "LIMIT_REACHED"],
    touches: ({ applications }) => Effect.succeed(applications?.map((appName) => ({ appNames: [appName] })) ?? [{}]),
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const tenants = yield* Tenants
      const population = populationOf(request)
      if (request.endpointIds !== undefined) yield* withinBatch(tenantId, "endpointIds", request.endpointIds)
      if (request.dryRun) return matchedOf(yield* tenants.countPopulation(tenantId, population))
      const asked = { population, reason: request.reason ?? null }
      const { operationId, ...count } = yield* tenants.revokeAll(tenantId, asked, caller)
      return { operationId, ...matchedOf(count) }
    })
  }),
  operation({
    family: "tenant",
    name: "token.revoke-all-status",
    about: "How far a revocation of a population of tokens is; when it says done, all of it is in force.",
    request: Json.RevokeAllStatus,
    answer: Json.RevokeAllStatusAnswer,
    errors: ["REVOKE_ALL_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ operationId }, { tenantId }) {
      const tenants = yield* Tenants
      const found = yield* tenants.findRevokeAll(tenantId, operationId)
      return {
        operationId: found.operationId,
        state: found.finishedAt === null ? ("running" as const) : ("done" as const),
        ...matchedOf(found),
        done: found.done,
        createdBy: found.asker.principal,
        startedDate: formatDate(found.startedAt),
        ...(found.finishedAt === null ? {} : { finishedDate: formatDate(found.finishedAt) })
      }
    })
  })
]
