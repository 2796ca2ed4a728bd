/**
 * An application goes out of service, or comes back. Contract section 8.4.
 *
 * Out of service is a right that is taken away like any other: one change under one sequence and one
 * barrier, however many tokens there are; from its answer on nothing of the application validates. The
 * rows stay. What was read before something newer was decided, or before the application was there, decides
 * nothing. The platform is told in pieces afterwards, endpoint by endpoint, that its sessions end.
 */
import { Result } from "effect"
import type { OutReason } from "../../../domain/Tenant.ts"
import { hasEnded, type Token } from "../../../domain/Token.ts"
import { isUsable } from "../../../domain/TokenLifecycle.ts"
import type { OutboxEntry, WithdrawalPiece } from "../../../store/TenantStore.ts"
import type { Command } from "../../tenant/Command.ts"
import type { Caller } from "../../tenant/Tenants.ts"
import type { Workspace } from "../../tenant/Workspace.ts"

const audited = (workspace: Workspace, action: string, appName: string, reason: string | null, caller: Caller): void =>
  workspace.record(caller, {
    action,
    entityType: "application",
    entityId: appName,
    diff: reason === null ? null : { reason }
  })

/** The tenant's own, and not removed. */
const ownApplication = (workspace: Workspace, appName: string) => {
  const found = workspace.application(appName)
  return found === undefined || found.tenantId !== workspace.tenantId || found.removedAt !== null ? undefined : found
}

/** Answers whether something changed. */
export const takeOutOfService = (
  appName: string,
  reason: OutReason,
  decidedAt: number,
  caller: Caller
): Command<boolean> => ({
  name: "application.take-out",
  caller,
  load: { appNames: [appName] },
  decide: (workspace) => {
    const found = ownApplication(workspace, appName)
    if (found !== undefined && found.decidedAt > decidedAt) return Result.succeed(false)
    if (found === undefined || found.outOfService !== null) {
      // Whoever took it out a moment ago may not have been answered yet.
      workspace.alreadyGone()
      return Result.succeed(false)
    }
    workspace.moveApplication(appName, reason, decidedAt)
    workspace.takeAway({ kind: "application", appName })
    audited(workspace, "application.out_of_service", appName, reason, caller)
    return Result.succeed(true)
  }
})

/** Answers whether something changed. */
export const putBackIntoService = (appName: string, decidedAt: number, caller: Caller): Command<boolean> => ({
  name: "application.put-back",
  caller,
  load: { appNames: [appName] },
  decide: (workspace) => {
    const found = ownApplication(workspace, appName)
    if (found === undefined || found.outOfService === null || found.decidedAt > decidedAt) return Result.succeed(false)
    workspace.moveApplication(appName, null, decidedAt)
    workspace.appear({ kind: "application", appName })
    audited(workspace, "application.in_service", appName, null, caller)
    return Result.succeed(true)
  }
})

export type EndSessions = (
  workspace: Workspace,
  tokens: ReadonlyArray<Token>,
  correlationId: string
) => ReadonlyArray<OutboxEntry>

/** A piece of what is announced when an application went out of service. `after`: null with the last piece. */
export const announceWithdrawn = (
  piece: WithdrawalPiece,
  tokenIds: ReadonlyArray<string>,
  after: string | null,
  endSessions: EndSessions,
  caller: Caller
): Command<number> => ({
  name: "application.announce-withdrawn",
  caller,
  load: { tokenIds },
  onRemovedTenant: true,
  decide: (workspace) => {
    const tokens = tokenIds
      .flatMap((tokenId) => workspace.token(tokenId) ?? [])
      .filter((token) => isUsable(token.status) && !hasEnded(token, workspace.now))
    for (const entry of endSessions(workspace, tokens, caller.correlationId)) workspace.announce(entry)
    workspace.withdrawn(piece, after)
    return Result.succeed(tokens.length)
  }
})
