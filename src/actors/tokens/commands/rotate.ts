/**
 * A new value for an endpoint's token. Contract section 3.2, `rotate`.
 *
 * The old token's end comes nearer, so both kinds need the barrier; no rotation lengthens a life. A
 * successor has the first token's own end, however often and in whichever order tokens are rotated: what an
 * overlap ends is in a field of its own, and is not inherited.
 *
 * The old row stays, so each rotation is one token more of its endpoint.
 */
import { Result } from "effect"
import * as errors from "../../../domain/errors.ts"
import { tokensPerEndpointMax } from "../../../domain/Names.ts"
import { defaultLimits } from "../../../domain/TenantLimits.ts"
import { endOf, shownStatus, type Token, type TokenStatus, tokenHintOf } from "../../../domain/Token.ts"
import { isUsable } from "../../../domain/TokenLifecycle.ts"
import type { Command } from "../../tenant/Command.ts"
import { tokenChanged } from "../../tenant/RowTagging.ts"
import type { Caller, ItemResult, Provisioned } from "../../tenant/Tenants.ts"
import type { Workspace } from "../../tenant/Workspace.ts"
import { findTokenAt, type HashedValue, happened, toRecord } from "./tokenRows.ts"

export const rotate = (
  options: {
    readonly tokenId: string
    readonly overlapMs: number
    /** Where the token was found; undefined when it was not, for the repetition of what was done before. */
    readonly place: Pick<Token, "appName" | "endpointId"> | undefined
    readonly successorId: string
    readonly hashed: HashedValue
    readonly expectedVersion?: number | null
  },
  caller: Caller,
  tokensMax: number = defaultLimits.tokens
): Command<Provisioned> => ({
  name: "token.rotate",
  caller,
  load: {
    tokenIds: [options.tokenId],
    tokenHashes: options.hashed.hashes,
    endpointCounts: options.place === undefined ? [] : [options.place.endpointId]
  },
  decide: (workspace) =>
    Result.flatMap(findTokenAt(workspace, options, options.expectedVersion), (token): ItemResult<Provisioned> => {
      // Not there when it was looked for: its value is not hashed for its application, nor its endpoint counted.
      if (options.place === undefined) {
        workspace.provisional()
        return Result.fail(errors.TokenNotFound.ofId(token.tokenId))
      }
      if (!workspace.holds.token(token.tokenId)) return Result.fail(tokenChanged(token.tokenId))
      const from = shownStatus(token, workspace.now)
      if (!isUsable(from)) {
        workspace.alreadyGone()
        return Result.fail(new errors.TransitionNotAllowed({ from, to: "rotated" }))
      }
      if (workspace.tokenByHash(options.hashed.hashes) !== undefined) {
        return Result.fail(new errors.TokenExists({ appName: token.appName }))
      }
      if (workspace.endpointCount(token.endpointId) >= tokensPerEndpointMax) {
        return Result.fail(new errors.LimitReached({ limit: "tokensPerEndpoint", max: tokensPerEndpointMax }))
      }
      // Without an overlap the one takes the place of the other.
      if (options.overlapMs > 0 && workspace.tokenStock >= tokensMax) {
        return Result.fail(new errors.LimitReached({ limit: "tokens", max: tokensMax }))
      }
      const old = retire(workspace, token, from, options.overlapMs, caller)
      const successor: Token = {
        ...token,
        tokenId: options.successorId,
        status: "Inactive",
        version: 1,
        tokenHint: tokenHintOf(options.hashed.value),
        createdAt: workspace.now,
        updatedAt: workspace.now,
        activatedAt: null,
        lastUsedAt: null,
        overlapEndsAt: null,
        endedBy: null,
        reason: null,
        createdBy: caller.principal,
        updatedBy: caller.principal,
        hash: options.hashed.hash,
        hashKeyId: options.hashed.hashKeyId
      }
      workspace.insert(successor)
      workspace.appearToken(successor)
      happened(
        workspace,
        { type: "provisioned", token: successor, previousStatus: null, reason: null, endsSessions: false, caller },
        { appName: token.appName, endpointId: token.endpointId, rotatedFrom: old.tokenId }
      )
      return Result.succeed({ record: toRecord(successor, workspace.now), token: options.hashed.value })
    })
})

/** The old token of a rotation: gone at once, or at the end of the overlap. */
const retire = (workspace: Workspace, token: Token, from: TokenStatus, overlapMs: number, caller: Caller): Token => {
  const endsAt = workspace.now + overlapMs
  const atOnce = overlapMs === 0
  const old: Token = {
    ...token,
    status: atOnce ? "Revoked" : token.status,
    reason: atOnce ? "rotated" : token.reason,
    endedBy: atOnce ? "rotated" : null,
    overlapEndsAt: Math.min(token.overlapEndsAt ?? endsAt, endsAt),
    version: token.version + 1,
    updatedAt: workspace.now,
    updatedBy: caller.principal
  }
  workspace.update(old)
  workspace.takeAway(workspace.tokenTarget(old, atOnce ? null : endOf(old)))
  happened(
    workspace,
    { type: "rotated", token: old, previousStatus: from, reason: "rotated", endsSessions: atOnce, caller },
    { status: [from, old.status], usableUntil: atOnce ? null : endOf(old) }
  )
  return old
}
