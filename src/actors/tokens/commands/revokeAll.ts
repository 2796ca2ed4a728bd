/**
 * A whole population of tokens is revoked, as commands: its moment, then it begins, it goes on, it is over.
 *
 * The moment is taken under the tenant's lock before anything is counted: when it is known, whatever was made up to
 * then is committed, and what is made later is later by the same clock, so that what is counted is what is revoked.
 * The beginning writes what was asked and answers; each piece revokes what of it is still of the population
 * and says in the same transaction how far it came, so a piece that another replica has done is passed over
 * whole. One piece is one change under one sequence and one barrier. The end is written by whoever knows
 * that all of it is in force. Nothing goes on by a row that was changed outside of the service: whom it names
 * would be named in the audit.
 */
import { Result } from "effect"
import * as errors from "../../../domain/errors.ts"
import { shownStatus, type Token } from "../../../domain/Token.ts"
import { isUsable } from "../../../domain/TokenLifecycle.ts"
import { isOf, type TokenPopulation, type WalkPlace, walkBegin } from "../../../domain/TokenPopulation.ts"
import * as Pieces from "../../../observability/Pieces.ts"
import type { RevokeAll } from "../../../store/RevokeAll.ts"
import { type Command, ofItems } from "../../tenant/Command.ts"
import type { Caller } from "../../tenant/Tenants.ts"
import type { Workspace } from "../../tenant/Workspace.ts"
import { happened, requireApplication } from "./tokenRows.ts"

/** Of one tenant, that are not finished. */
export const revokeAllsMax = 16
/** A row of the audit names so many endpoints; of more their number. */
const endpointsShown = 20

const askerOf = ({ asker, correlationId }: RevokeAll): Caller => ({ ...asker, correlationId, idempotency: null })

const shownPopulation = ({ endpointIds, ...rest }: TokenPopulation) => ({
  ...rest,
  endpoints: endpointIds?.length ?? null,
  endpointIds: endpointIds?.slice(0, endpointsShown) ?? null
})

const record = (
  workspace: Workspace,
  { operationId }: RevokeAll,
  action: string,
  caller: Caller,
  diff: Readonly<Record<string, unknown>>
): void => workspace.record(caller, { action, entityType: "revoke-all", entityId: operationId, diff })

export interface RevokeAllAsked {
  readonly operationId: string
  readonly population: TokenPopulation
  readonly reason: string | null
  readonly matched: number
  readonly isAtLeast: boolean
  /** What was made later is not of it. */
  readonly startedAt: number
}

export interface RevokeAllBegun {
  readonly operationId: string
  readonly matched: number
  readonly isAtLeast: boolean
}

/** The moment of a population that is about to be named. Nothing is remembered of it. */
export const momentOfPopulation = (caller: Caller): Command<number> => ({
  name: "token.revoke-all-moment",
  caller: { ...caller, idempotency: null },
  load: {},
  decide: (workspace) => Result.succeed(workspace.now)
})

/** What was made up to this moment. */
export const madeUpTo = (population: TokenPopulation, moment: number): TokenPopulation => ({
  ...population,
  createdBefore: Math.min(population.createdBefore ?? Number.POSITIVE_INFINITY, moment + 1)
})

/** `population` is of its moment already. */
export const beginRevokeAll = (
  { isAtLeast, matched, operationId, population, reason, startedAt }: RevokeAllAsked,
  caller: Caller
): Command<RevokeAllBegun> => ({
  name: "token.revoke-all",
  caller,
  load: { appNames: population.applications ?? [], revokeAlls: [] },
  decide: (workspace) => {
    for (const appName of population.applications ?? []) {
      const refused = requireApplication(workspace, appName)
      if (refused !== null) return Result.fail(refused)
    }
    if (workspace.revokeAllsOpen >= revokeAllsMax) {
      return Result.fail(new errors.LimitReached({ limit: "revokeAlls", max: revokeAllsMax }))
    }
    const begun: RevokeAll = {
      operationId,
      tenantId: workspace.tenantId,
      population,
      reason,
      asker: { principal: caller.principal, known: caller.known },
      correlationId: caller.correlationId,
      matched,
      isAtLeast,
      done: 0,
      place: walkBegin,
      startedAt,
      finishedAt: null
    }
    workspace.writeRevokeAll(begun)
    const diff = { population: shownPopulation(begun.population), matched, ...(reason === null ? {} : { reason }) }
    record(workspace, begun, "token.revoke_all", caller, diff)
    return Result.succeed({ operationId, matched, isAtLeast })
  }
})

const revokeOne = (workspace: Workspace, token: Token, reason: string | null, caller: Caller): void => {
  const from = shownStatus(token, workspace.now)
  const changed: Token = {
    ...token,
    status: "Revoked",
    version: token.version + 1,
    updatedAt: workspace.now,
    updatedBy: caller.principal,
    reason
  }
  workspace.update(changed)
  workspace.takeAway(workspace.tokenTarget(changed))
  const fact = { type: "revoked", token: changed, previousStatus: from, reason, caller } as const
  happened(workspace, { ...fact, endsSessions: isUsable(from) }, { status: [from, "Revoked"] })
}

const changed = ({ operationId }: RevokeAll) => new errors.RowChanged({ kind: "revoke-all", id: operationId })

const isSamePlace = (a: WalkPlace, b: WalkPlace): boolean => a.street === b.street && a.after === b.after

/** Answers how many were revoked; 0 also where somebody else has gone on from there. */
export const revokePiece = (one: RevokeAll, tokenIds: ReadonlyArray<string>, place: WalkPlace): Command<number> => ({
  name: "token.revoke-all-piece",
  caller: askerOf(one),
  load: { tokenIds, revokeAlls: [one.operationId] },
  ...ofItems(tokenIds.length, function* (workspace) {
    if (!workspace.holds.revokeAll(one.operationId)) return Result.fail(changed(one))
    const now = workspace.revokeAll(one.operationId)
    if (now === undefined || now.finishedAt !== null || !isSamePlace(now.place, one.place)) return Result.succeed(0)
    const tokens = tokenIds
      .flatMap((tokenId) => workspace.token(tokenId) ?? [])
      .filter((token) => isOf(now.population, token, workspace.now))
    yield* Pieces.map(tokens, (token) => revokeOne(workspace, token, now.reason, askerOf(now)))
    workspace.writeRevokeAll({ ...now, place, done: now.done + tokens.length })
    return Result.succeed(tokens.length)
  })
})

/** All of it is in force. */
export const finishRevokeAll = (one: RevokeAll): Command<void> => ({
  name: "token.revoke-all-end",
  caller: askerOf(one),
  load: { revokeAlls: [one.operationId] },
  decide: (workspace) => {
    if (!workspace.holds.revokeAll(one.operationId)) return Result.fail(changed(one))
    const now = workspace.revokeAll(one.operationId)
    if (now === undefined || now.finishedAt !== null || !isSamePlace(now.place, one.place)) return Result.void
    workspace.writeRevokeAll({ ...now, finishedAt: workspace.now })
    record(workspace, now, "token.revoke_all_done", askerOf(now), { done: now.done })
    return Result.void
  }
})
