/**
 * Status changes of tokens, on request and by first use. Contract sections 2.1 (the table) and 3.2.
 *
 * "Already so" changes nothing, but its answer waits until what was changed before is in force.
 */
import { Result } from "effect"
import * as errors from "../../../domain/errors.ts"
import { hasEnded, shownStatus, type Token, type TokenStatus } from "../../../domain/Token.ts"
import { decide, isUsable } from "../../../domain/TokenLifecycle.ts"
import * as Pieces from "../../../observability/Pieces.ts"
import { type Command, ofItems } from "../../tenant/Command.ts"
import { tokenChanged } from "../../tenant/RowTagging.ts"
import type { Caller, ItemResult, TokenRecord, Transition } from "../../tenant/Tenants.ts"
import type { TokenFact, Workspace } from "../../tenant/Workspace.ts"
import { findTokenAt, happened, type ResolvedRef, toRecord } from "./tokenRows.ts"

const factTypeOf = (to: TokenStatus, from: TokenStatus): TokenFact["type"] =>
  to === "Suspended" ? "suspended" : to === "Revoked" ? "revoked" : from === "Suspended" ? "reactivated" : "activated"

const transitionOne = (
  workspace: Workspace,
  ref: ResolvedRef,
  transition: Transition,
  caller: Caller,
  isFinal: boolean
): ItemResult<TokenRecord> =>
  Result.flatMap(findTokenAt(workspace, ref, transition.expectedVersion), (token): ItemResult<TokenRecord> => {
    const { reason, target } = transition
    const from = shownStatus(token, workspace.now)
    const decision = decide(from, target)
    switch (decision._tag) {
      case "Forbidden":
        if (from === "Inactive" && !isFinal) workspace.provisional()
        // "Revoked does not become Suspended" says that it is revoked.
        if (!isUsable(from)) workspace.alreadyGone()
        return Result.fail(new errors.TransitionNotAllowed({ from, to: target }))
      case "Unchanged":
        if (!isUsable(target)) workspace.alreadyGone()
        return Result.succeed(toRecord(token, workspace.now))
      case "Changed": {
        // To take a right away is good of any row; to give one is not.
        if (isUsable(decision.to) && !workspace.holds.token(token.tokenId)) {
          return Result.fail(tokenChanged(token.tokenId))
        }
        const changed: Token = {
          ...token,
          status: decision.to,
          version: token.version + 1,
          updatedAt: workspace.now,
          updatedBy: caller.principal,
          activatedAt: decision.to === "Active" ? (token.activatedAt ?? workspace.now) : token.activatedAt,
          reason: isUsable(decision.to) ? null : reason
        }
        workspace.update(changed)
        if (!isUsable(decision.to)) workspace.takeAway(workspace.tokenTarget(changed))
        else workspace.appearToken(changed)
        happened(
          workspace,
          {
            type: factTypeOf(decision.to, from),
            token: changed,
            previousStatus: from,
            reason,
            endsSessions: decision.takesRightAway,
            caller
          },
          { status: [from, decision.to] }
        )
        return Result.succeed(toRecord(changed, workspace.now))
      }
    }
  })

/** `isFinal` false: a token that was never used may just have been; the refusal is not kept, since it is asked again. */
export const transition = (
  refs: ReadonlyArray<ResolvedRef>,
  change: Transition,
  caller: Caller,
  isFinal = true
): Command<ReadonlyArray<ItemResult<TokenRecord>>> => ({
  name: "token.transition",
  caller,
  load: loadOf(refs),
  ...ofItems(refs.length, function* (workspace) {
    return Result.succeed(yield* Pieces.map(refs, (ref) => transitionOne(workspace, ref, change, caller, isFinal)))
  })
})

const loadOf = (refs: ReadonlyArray<ResolvedRef>) => ({
  tokenIds: refs.flatMap((ref) => ("tokenId" in ref ? [ref.tokenId] : [])),
  tokenHashes: refs.flatMap((ref) => ("tokenId" in ref ? [] : ref.hashes)),
  appNames: refs.flatMap((ref) => ("tokenId" in ref ? [] : [ref.appName]))
})

/** Moves used tokens from Inactive to Active. What is not Inactive any more is left alone. Answers how many moved. */
export const activateOnFirstUse = (tokenIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "token.first-use",
  caller,
  load: { tokenIds },
  ...ofItems(tokenIds.length, function* (workspace) {
    let moved = 0
    for (const tokenId of tokenIds) {
      yield
      const token = workspace.token(tokenId)
      if (token === undefined || token.status !== "Inactive" || hasEnded(token, workspace.now)) continue
      if (!workspace.holds.token(tokenId)) continue
      moved++
      const changed: Token = {
        ...token,
        status: "Active",
        version: token.version + 1,
        updatedAt: workspace.now,
        updatedBy: caller.principal,
        activatedAt: workspace.now,
        lastUsedAt: Math.max(token.lastUsedAt ?? 0, workspace.now)
      }
      workspace.update(changed)
      happened(
        workspace,
        { type: "activated", token: changed, previousStatus: "Inactive", reason: null, endsSessions: false, caller },
        { status: ["Inactive", "Active"] }
      )
    }
    return Result.succeed(moved)
  })
})
