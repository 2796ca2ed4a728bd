/**
 * The commands on endpoint tokens, as decisions over a workspace.
 *
 * Contract sections 2.1 (states), 3.2 (verbs). Each checks everything before it changes anything.
 * Every change that takes a right away, or brings its end nearer, is a target of the transaction's
 * revocation; "already so" waits for the ones before it.
 */
import { Result } from "effect"
import type { Refusal } from "../../domain/errors.ts"
import * as errors from "../../domain/errors.ts"
import { tokensPerEndpointMax } from "../../domain/Names.ts"
import { hasEnded, shownStatus, type Token, type TokenStatus, tokenHintOf } from "../../domain/Token.ts"
import { decide, isUsable } from "../../domain/TokenLifecycle.ts"
import type { Caller, ItemResult, Provisioned, ProvisionItem, TokenRecord, Transition } from "../Tenants.ts"
import type { Command, TokenFact, Workspace } from "../Workspace.ts"

/** A token's value with its hashes: under the active key, and under all that a row may have been written with. */
export interface HashedValue {
  readonly value: string
  readonly hash: Uint8Array
  readonly hashKeyId: string
  /** Hex, all keys. */
  readonly hashes: ReadonlyArray<string>
}

export const toRecord = (token: Token, now: number): TokenRecord => {
  const { endReason: _1, hash: _2, hashKeyId: _3, reason: _4, tenantId: _5, ...record } = token
  return { ...record, status: shownStatus(token, now) }
}

const requireApplication = (workspace: Workspace, appName: string): Refusal | null => {
  const application = workspace.application(appName)
  return application === undefined || application.tenantId !== workspace.tenantId || application.removedAt !== null
    ? new errors.ApplicationNotFound({ appName })
    : null
}

const happened = (
  workspace: Workspace,
  fact: Omit<TokenFact, "caller"> & { readonly caller: Caller },
  diff: Readonly<Record<string, unknown>>
): void => {
  workspace.facts.push(fact)
  workspace.record({
    actor: fact.caller.principal,
    action: `token.${fact.type}`,
    entityType: "token",
    entityId: fact.token.tokenId,
    diff: fact.reason === null ? diff : { ...diff, reason: fact.reason }
  })
}

// ---- provision --------------------------------------------------------------

export interface ProvisionPlan extends ProvisionItem {
  readonly tokenId: string
  readonly hashed: HashedValue
}

const provisionOne = (
  workspace: Workspace,
  appName: string,
  plan: ProvisionPlan,
  caller: Caller
): ItemResult<Provisioned> => {
  if (plan.expiresAt !== null && plan.expiresAt <= workspace.now) {
    return Result.fail(new errors.InvalidRequest({ path: "expiresDate", reason: "is in the past" }))
  }
  if (workspace.tokenByHash(plan.hashed.hashes) !== undefined) return Result.fail(new errors.TokenExists({ appName }))
  if (workspace.endpointCount(plan.endpointId) >= tokensPerEndpointMax) {
    return Result.fail(new errors.LimitReached({ limit: "tokensPerEndpoint", max: tokensPerEndpointMax }))
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
    expiresAt: plan.expiresAt,
    endReason: "expired",
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
  caller: Caller
): Command<ReadonlyArray<ItemResult<Provisioned>>> => ({
  name: "token.provision",
  caller,
  load: {
    appNames: [appName],
    endpointCounts: plans.map((plan) => plan.endpointId),
    tokenHashes: plans.flatMap((plan) => plan.hashed.hashes)
  },
  rejected: () => new errors.TokenExists({ appName }),
  decide: (workspace) => {
    const refused = requireApplication(workspace, appName)
    if (refused !== null) return Result.fail(refused)
    return Result.succeed(plans.map((plan) => provisionOne(workspace, appName, plan, caller)))
  }
})

// ---- transition -------------------------------------------------------------

/** How a command finds its token: by id, or by the hashes of its value. */
export type ResolvedRef =
  | { readonly tokenId: string }
  | { readonly appName: string; readonly hashes: ReadonlyArray<string> }

const findToken = (workspace: Workspace, ref: ResolvedRef): Result.Result<Token, Refusal> => {
  if ("tokenId" in ref) {
    const token = workspace.token(ref.tokenId)
    return token === undefined || applicationGone(workspace, token)
      ? Result.fail(errors.TokenNotFound.ofId(ref.tokenId))
      : Result.succeed(token)
  }
  const refused = requireApplication(workspace, ref.appName)
  if (refused !== null) return Result.fail(refused)
  const token = workspace.tokenByHash(ref.hashes)
  return token === undefined ? Result.fail(new errors.TokenNotFound({ tokenId: null })) : Result.succeed(token)
}

/** Tokens of a removed application are gone for every caller, though their rows wait for the sweep. */
const applicationGone = (workspace: Workspace, token: Token): boolean => {
  const application = workspace.application(token.appName)
  return application !== undefined && application.removedAt !== null
}

const factTypeOf = (to: TokenStatus, from: TokenStatus): TokenFact["type"] =>
  to === "Suspended" ? "suspended" : to === "Revoked" ? "revoked" : from === "Suspended" ? "reactivated" : "activated"

const transitionOne = (
  workspace: Workspace,
  ref: ResolvedRef,
  transition: Transition,
  caller: Caller,
  isFinal: boolean
): ItemResult<TokenRecord> =>
  Result.flatMap(findToken(workspace, ref), (token): ItemResult<TokenRecord> => {
    const { expectedVersion, reason, target } = transition
    if (expectedVersion !== null && expectedVersion !== token.version) {
      return Result.fail(new errors.VersionConflict({ expectedVersion, actualVersion: token.version }))
    }
    const from = shownStatus(token, workspace.now)
    const decision = decide(from, target)
    switch (decision._tag) {
      case "Forbidden":
        if (from === "Inactive" && !isFinal) workspace.provisional()
        return Result.fail(new errors.TransitionNotAllowed({ from, to: target }))
      case "Unchanged":
        if (!isUsable(target)) workspace.alreadyGone()
        return Result.succeed(toRecord(token, workspace.now))
      case "Changed": {
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
  decide: (workspace) => Result.succeed(refs.map((ref) => transitionOne(workspace, ref, change, caller, isFinal)))
})

const loadOf = (refs: ReadonlyArray<ResolvedRef>) => ({
  tokenIds: refs.flatMap((ref) => ("tokenId" in ref ? [ref.tokenId] : [])),
  tokenHashes: refs.flatMap((ref) => ("tokenId" in ref ? [] : ref.hashes)),
  appNames: refs.flatMap((ref) => ("tokenId" in ref ? [] : [ref.appName]))
})

// ---- first use --------------------------------------------------------------

/** Moves used tokens from Inactive to Active. What is not Inactive any more is left alone. Answers how many moved. */
export const activateOnFirstUse = (tokenIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "token.first-use",
  caller,
  load: { tokenIds },
  decide: (workspace) => {
    let moved = 0
    for (const tokenId of tokenIds) {
      const token = workspace.token(tokenId)
      if (token === undefined || token.status !== "Inactive" || hasEnded(token, workspace.now)) continue
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
  }
})

// ---- rotate -----------------------------------------------------------------

export const rotate = (
  options: {
    readonly tokenId: string
    readonly overlapMs: number
    readonly successorId: string
    readonly hashed: HashedValue
  },
  caller: Caller
): Command<Provisioned> => ({
  name: "token.rotate",
  caller,
  load: { tokenIds: [options.tokenId], tokenHashes: options.hashed.hashes },
  decide: (workspace) =>
    Result.flatMap(findToken(workspace, { tokenId: options.tokenId }), (token): ItemResult<Provisioned> => {
      const from = shownStatus(token, workspace.now)
      if (!isUsable(from)) return Result.fail(new errors.TransitionNotAllowed({ from, to: "Revoked" }))
      if (workspace.tokenByHash(options.hashed.hashes) !== undefined) {
        return Result.fail(new errors.TokenExists({ appName: token.appName }))
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
        endReason: "expired",
        // A token that was to end at a rotation's overlap had no end of its own.
        expiresAt: token.endReason === "rotated" ? null : token.expiresAt,
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
  const keepsOwnEnd = token.expiresAt !== null && token.expiresAt <= endsAt
  const old: Token = {
    ...token,
    status: atOnce ? "Revoked" : token.status,
    reason: atOnce ? "rotated" : token.reason,
    expiresAt: atOnce || keepsOwnEnd ? token.expiresAt : endsAt,
    endReason: atOnce || keepsOwnEnd ? token.endReason : "rotated",
    version: token.version + 1,
    updatedAt: workspace.now,
    updatedBy: caller.principal
  }
  workspace.update(old)
  workspace.takeAway(workspace.tokenTarget(old, atOnce ? null : old.expiresAt))
  happened(
    workspace,
    { type: "rotated", token: old, previousStatus: from, reason: "rotated", endsSessions: atOnce, caller },
    { status: [from, old.status], usableUntil: atOnce ? null : old.expiresAt }
  )
  return old
}

// ---- delete, and what the sweeps do -----------------------------------------

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

export const deleteToken = (tokenId: string, caller: Caller): Command<{ readonly deleted: number }> => ({
  name: "token.delete",
  caller,
  load: { tokenIds: [tokenId] },
  decide: (workspace) =>
    Result.map(findToken(workspace, { tokenId }), (token) => {
      deleteOne(workspace, token, caller, null)
      return { deleted: 1 }
    })
})

export const deleteTokensOfEndpoint = (endpointId: string, caller: Caller): Command<{ readonly deleted: number }> => ({
  name: "token.delete",
  caller,
  load: { endpointIds: [endpointId] },
  decide: (workspace) => {
    const tokens = workspace.tokensOfEndpoint(endpointId)
    for (const token of tokens) deleteOne(workspace, token, caller, null)
    // Whoever deleted them a moment ago may not have been answered yet.
    if (tokens.length === 0) workspace.alreadyGone()
    return Result.succeed({ deleted: tokens.length })
  }
})

/** Rows of a removed application or tenant: deleted in pieces, with their events. The right itself went before. */
export const purgeTokens = (tokenIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "token.purge",
  caller,
  load: { tokenIds },
  onRemovedTenant: true,
  decide: (workspace) => {
    const tokens = tokenIds.flatMap((tokenId) => workspace.token(tokenId) ?? [])
    for (const token of tokens) deleteOne(workspace, token, caller, "removed")
    return Result.succeed(tokens.length)
  }
})

/** Tokens whose own end has come: Revoked from now on in the row too, and announced. */
export const endTokens = (tokenIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "token.expire",
  caller,
  load: { tokenIds },
  decide: (workspace) => {
    let ended = 0
    for (const tokenId of tokenIds) {
      const token = workspace.token(tokenId)
      if (token === undefined || token.status === "Revoked" || !hasEnded(token, workspace.now)) continue
      ended++
      const changed: Token = {
        ...token,
        status: "Revoked",
        reason: token.endReason,
        version: token.version + 1,
        updatedAt: workspace.now,
        updatedBy: caller.principal
      }
      workspace.update(changed)
      workspace.takeAway(workspace.tokenTarget(changed))
      happened(
        workspace,
        {
          type: token.endReason === "rotated" ? "revoked" : "expired",
          token: changed,
          previousStatus: token.status,
          reason: token.endReason,
          endsSessions: isUsable(token.status),
          caller
        },
        { status: [token.status, "Revoked"] }
      )
    }
    return Result.succeed(ended)
  }
})
