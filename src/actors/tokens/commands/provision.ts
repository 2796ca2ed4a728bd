/**
 * New tokens. Contract section 3.2, `provision` and `provision-batch`.
 */
import { Result } from "effect"
import * as errors from "../../../domain/errors.ts"
import { tokensPerEndpointMax } from "../../../domain/Names.ts"
import { defaultLimits } from "../../../domain/TenantLimits.ts"
import { type Token, tokenHintOf } from "../../../domain/Token.ts"
import * as Pieces from "../../../observability/Pieces.ts"
import { type Command, ofItems } from "../../tenant/Command.ts"
import type { Caller, ItemResult, Provisioned, ProvisionItem } from "../../tenant/Tenants.ts"
import type { Workspace } from "../../tenant/Workspace.ts"
import { type HashedValue, happened, requireApplication, toRecord } from "./tokenRows.ts"

export interface ProvisionPlan extends ProvisionItem {
  readonly tokenId: string
  readonly hashed: HashedValue
  /** Of a token that is given no end. Absent or null: it has none. */
  readonly lifetimeMs?: number | null
}

const provisionOne = (
  workspace: Workspace,
  appName: string,
  plan: ProvisionPlan,
  caller: Caller,
  tokensMax: number
): ItemResult<Provisioned> => {
  if (plan.expiresAt !== null && plan.expiresAt <= workspace.now) {
    return Result.fail(new errors.InvalidRequest({ path: "expiresDate", reason: "is in the past" }))
  }
  if (workspace.tokenByHash(plan.hashed.hashes) !== undefined) return Result.fail(new errors.TokenExists({ appName }))
  if (workspace.endpointCount(plan.endpointId) >= tokensPerEndpointMax) {
    return Result.fail(new errors.LimitReached({ limit: "tokensPerEndpoint", max: tokensPerEndpointMax }))
  }
  if (workspace.tokenStock >= tokensMax) {
    return Result.fail(new errors.LimitReached({ limit: "tokens", max: tokensMax }))
  }
  const token: Token = {
    tokenId: plan.tokenId,
    tenantId: workspace.tenantId,
    appName,
    endpointId: plan.endpointId,
    status: "Inactive",
    version: 1,
    tokenHint: tokenHintOf(plan.hashed.value),
    createdAt: workspace.now,
    updatedAt: workspace.now,
    activatedAt: null,
    lastUsedAt: null,
    expiresAt: plan.expiresAt ?? (plan.lifetimeMs == null ? null : workspace.now + plan.lifetimeMs),
    overlapEndsAt: null,
    endedBy: null,
    reason: null,
    description: plan.description,
    createdBy: caller.principal,
    updatedBy: caller.principal,
    hash: plan.hashed.hash,
    hashKeyId: plan.hashed.hashKeyId
  }
  workspace.insert(token)
  workspace.appearToken(token)
  happened(
    workspace,
    { type: "provisioned", token, previousStatus: null, reason: null, endsSessions: false, caller },
    { appName, endpointId: token.endpointId, expiresAt: token.expiresAt }
  )
  return Result.succeed({ record: toRecord(token, workspace.now), token: plan.hashed.value })
}

export const provision = (
  appName: string,
  plans: ReadonlyArray<ProvisionPlan>,
  caller: Caller,
  tokensMax: number = defaultLimits.tokens
): Command<ReadonlyArray<ItemResult<Provisioned>>> => ({
  name: "token.provision",
  caller,
  load: {
    appNames: [appName],
    endpointCounts: plans.map((plan) => plan.endpointId),
    tokenHashes: plans.flatMap((plan) => plan.hashed.hashes)
  },
  rejected: () => new errors.TokenExists({ appName }),
  ...ofItems(plans.length, function* (workspace) {
    const refused = requireApplication(workspace, appName)
    if (refused !== null) return Result.fail(refused)
    return Result.succeed(yield* Pieces.map(plans, (plan) => provisionOne(workspace, appName, plan, caller, tokensMax)))
  })
})
