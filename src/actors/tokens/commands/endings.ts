/**
 * The ends of tokens: deleted on request, purged with what they belonged to, ended by their own time.
 */
import { Result } from "effect"
import { type EndReason, endingOf, hasEnded, shownStatus, type Token } from "../../../domain/Token.ts"
import { isUsable } from "../../../domain/TokenLifecycle.ts"
import * as Pieces from "../../../observability/Pieces.ts"
import { type Command, ofItems } from "../../tenant/Command.ts"
import type { Caller } from "../../tenant/Tenants.ts"
import type { Workspace } from "../../tenant/Workspace.ts"
import { findTokenAt, happened } from "./tokenRows.ts"

const deleteOne = (workspace: Workspace, token: Token, caller: Caller, reason: string | null): void => {
  const gone: Token = { ...token, version: token.version + 1 }
  workspace.delete(token)
  workspace.takeAway(workspace.tokenTarget(gone))
  happened(
    workspace,
    {
      type: "deleted",
      token: { ...gone, status: shownStatus(token, workspace.now) },
      previousStatus: shownStatus(token, workspace.now),
      reason,
      endsSessions: true,
      caller
    },
    { status: [token.status, null] }
  )
}

export const deleteToken = (
  tokenId: string,
  caller: Caller,
  expectedVersion?: number | null
): Command<{ readonly deleted: number }> => ({
  name: "token.delete",
  caller,
  load: { tokenIds: [tokenId] },
  decide: (workspace) => {
    return Result.map(findTokenAt(workspace, { tokenId }, expectedVersion), (token) => {
      deleteOne(workspace, token, caller, null)
      return { deleted: 1 }
    })
  }
})

export const deleteTokensOfEndpoint = (endpointId: string, caller: Caller): Command<{ readonly deleted: number }> => ({
  name: "token.delete",
  caller,
  load: { endpointIds: [endpointId] },
  // How many there are is known when they are loaded.
  ...ofItems(1, function* (workspace) {
    const tokens = workspace.tokensOfEndpoint(endpointId)
    yield* Pieces.map(tokens, (token) => deleteOne(workspace, token, caller, null))
    // Whoever deleted them a moment ago may not have been answered yet.
    if (tokens.length === 0) workspace.alreadyGone()
    return Result.succeed({ deleted: tokens.length })
  })
})

/** Rows of a removed application or tenant: deleted in pieces, with their events. The right itself went before. */
export const purgeTokens = (tokenIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "token.purge",
  caller,
  load: { tokenIds },
  onRemovedTenant: true,
  ...ofItems(tokenIds.length, function* (workspace) {
    const tokens = tokenIds.flatMap((tokenId) => workspace.token(tokenId) ?? [])
    yield* Pieces.map(tokens, (token) => deleteOne(workspace, token, caller, "removed"))
    return Result.succeed(tokens.length)
  })
})

/** Tokens whose own end has come: Revoked from now on in the row too, and announced. */
export const endTokens = (tokenIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "token.expire",
  caller,
  load: { tokenIds },
  ...ofItems(tokenIds.length, function* (workspace) {
    let ended = 0
    for (const tokenId of tokenIds) {
      yield
      const token = workspace.token(tokenId)
      if (token === undefined || token.status === "Revoked" || !hasEnded(token, workspace.now)) continue
      ended++
      const endedBy: EndReason = endingOf(token) === "rotated" ? "rotated" : "expired"
      const changed: Token = {
        ...token,
        status: "Revoked",
        endedBy,
        reason: endedBy,
        version: token.version + 1,
        updatedAt: workspace.now,
        updatedBy: caller.principal
      }
      workspace.update(changed)
      workspace.takeAway(workspace.tokenTarget(changed))
      happened(
        workspace,
        {
          type: endedBy === "rotated" ? "revoked" : "expired",
          token: changed,
          previousStatus: token.status,
          reason: endedBy,
          endsSessions: isUsable(token.status),
          caller
        },
        { status: [token.status, "Revoked"] }
      )
    }
    return Result.succeed(ended)
  })
})
