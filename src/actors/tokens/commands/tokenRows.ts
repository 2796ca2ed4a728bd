/**
 * What the commands on tokens share: how a token is named and found, and what is written beside its
 * change. Contract section 3.2.
 */
import { Result } from "effect"
import type { Refusal } from "../../../domain/errors.ts"
import * as errors from "../../../domain/errors.ts"
import { isInService } from "../../../domain/Tenant.ts"
import { endOf, shownStatus, type Token } from "../../../domain/Token.ts"
import type { Caller, TokenRecord } from "../../tenant/Tenants.ts"
import type { TokenFact, Workspace } from "../../tenant/Workspace.ts"

/** A token's value with its hashes: under the active key, and under all that a row may have been written with. */
export interface HashedValue {
  readonly value: string
  readonly hash: Uint8Array
  readonly hashKeyId: string
  /** Hex, all keys. */
  readonly hashes: ReadonlyArray<string>
}

export const toRecord = (token: Token, now: number): TokenRecord => {
  const { endedBy: _1, hash: _2, hashKeyId: _3, overlapEndsAt: _4, reason: _5, tenantId: _6, ...record } = token
  return { ...record, status: shownStatus(token, now), expiresAt: endOf(token) }
}

/** "Not found" may say that something is gone, so it is answered only when what went before is in force. */
const notFound = <E>(workspace: Workspace, error: E): E => {
  workspace.alreadyGone()
  return error
}

export const requireApplication = (workspace: Workspace, appName: string): Refusal | null => {
  const application = workspace.application(appName)
  return application === undefined || application.tenantId !== workspace.tenantId || !isInService(application)
    ? notFound(workspace, new errors.ApplicationNotFound({ appName }))
    : null
}

export const happened = (
  workspace: Workspace,
  fact: Omit<TokenFact, "caller"> & { readonly caller: Caller },
  diff: Readonly<Record<string, unknown>>
): void => {
  workspace.facts.push(fact)
  workspace.record(fact.caller, {
    action: `token.${fact.type}`,
    entityType: "token",
    entityId: fact.token.tokenId,
    diff: fact.reason === null ? diff : { ...diff, reason: fact.reason }
  })
}

/** How a command finds its token: by id, or by the hashes of its value. */
export type ResolvedRef =
  | { readonly tokenId: string }
  | { readonly appName: string; readonly hashes: ReadonlyArray<string> }

export const findToken = (workspace: Workspace, ref: ResolvedRef): Result.Result<Token, Refusal> => {
  if ("tokenId" in ref) {
    const token = workspace.token(ref.tokenId)
    return token === undefined || applicationGone(workspace, token)
      ? Result.fail(notFound(workspace, errors.TokenNotFound.ofId(ref.tokenId)))
      : Result.succeed(token)
  }
  const refused = requireApplication(workspace, ref.appName)
  if (refused !== null) return Result.fail(refused)
  const token = workspace.tokenByHash(ref.hashes)
  return token === undefined
    ? Result.fail(notFound(workspace, new errors.TokenNotFound({ tokenId: null })))
    : Result.succeed(token)
}

/** As it was when it was read, where the caller says how that was. */
export const findTokenAt = (
  workspace: Workspace,
  ref: ResolvedRef,
  expectedVersion: number | null = null
): Result.Result<Token, Refusal> =>
  Result.flatMap(findToken(workspace, ref), (token) =>
    expectedVersion === null || expectedVersion === token.version
      ? Result.succeed(token)
      : Result.fail(new errors.VersionConflict({ expectedVersion, actualVersion: token.version }))
  )

/** Tokens of an application that is removed or out of service are gone for every caller, though their rows are there. */
const applicationGone = (workspace: Workspace, token: Token): boolean => {
  const application = workspace.application(token.appName)
  return application !== undefined && !isInService(application)
}
