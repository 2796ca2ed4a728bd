/**
 * The steps of a rotation that are decided under the tenant's lock: what is done next, and what came of it.
 *
 * `domain/RotationLife.ts` decides; here it becomes rows. What callers know of a credential changes with the
 * switch alone.
 */
import { Result } from "effect"
import { type Credential, hasRunOut } from "../../domain/Credential.ts"
import type { Secret } from "../../domain/CredentialShape.ts"
import * as errors from "../../domain/errors.ts"
import type { RefreshReason } from "../../domain/Provider.ts"
import * as Life from "../../domain/RotationLife.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import { credentialChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import { changed, type Events, findOwn, iso, putSecret, record, type SecretSealer } from "./Change.ts"

const dayMs = 86_400_000

export const withRotating = (credential: Credential, rotating: Life.Rotating): Credential => {
  const due = Life.nextLook(rotating)
  return { ...credential, rotating, refreshDueAt: due === Life.never ? null : due }
}

/** A secret was stored by hand, or nothing is to be rotated by this rotator any more. */
export const handStored = (credential: Credential, now: number): Credential =>
  credential.rotating === undefined ? credential : withRotating(credential, Life.afterHand(credential.rotating, now))

// ---- what next -------------------------------------------------------------------

export interface StepRequest {
  readonly credentialId: string
  readonly holder: string
  readonly claimMs: number
  readonly overlapMs: number
  readonly asked: Life.Asked | null
}

export type NextStep =
  | { readonly _tag: "Claimed"; readonly claim: Life.StepClaim; readonly work: Life.Work }
  | { readonly _tag: "Busy"; readonly until: number }
  | { readonly _tag: "Wait"; readonly until: number }
  | { readonly _tag: "Refused"; readonly why: "overlap" | "retire_pending"; readonly until: number }
  | { readonly _tag: "Paused" }
  /** What the rotation came to that was worked at: a new secret, or why none. */
  | { readonly _tag: "Over" }

export const nextStep = (request: StepRequest, caller: Caller): Command<NextStep> => ({
  name: "credential.rotation-step",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace): Result.Result<NextStep, errors.Refusal> => {
    const found = findOwn(workspace, request.credentialId, null)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const credential = found.success
    const { credentialId, rotating } = credential
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    if (rotating === undefined) return Result.fail(new errors.RefreshNotConfigured({ credentialId }))
    if (credential.state === "revoked") return Result.fail(new errors.CredentialRevoked({ credentialId }))
    const isOver = credential.state !== "active" || hasRunOut(credential, workspace.now)
    if (isOver && request.asked !== null) return Result.fail(new errors.CredentialExpired({ credentialId }))
    const isOff = workspace.credentials.servicesFor(credential).some(({ isActive }) => !isActive)
    // A promise that outlives the next rotation would hold that up, whoever made it.
    const longest = Math.floor(rotating.everyMs / 2)
    const promised = request.asked?.overlapMs ?? null
    const asked = request.asked && { ...request.asked, overlapMs: promised && Math.min(promised, longest) }
    const decision = Life.decideStep({
      state: rotating,
      now: workspace.now,
      holder: request.holder,
      claimMs: request.claimMs,
      overlapMs: Math.min(request.overlapMs, longest),
      asked,
      isPaused: isOver || isOff
    })
    switch (decision._tag) {
      case "Claim": {
        const { claim, state, work } = decision
        if (work.kind === "step" && work.step === "prepare" && state.generation !== rotating.generation) {
          record(workspace, "credential.rotation-begun", credentialId, caller, {
            rotator: rotating.rotator,
            generation: state.generation
          })
        }
        workspace.credentials.update(withRotating(credential, state))
        return Result.succeed({ _tag: "Claimed", claim, work })
      }
      case "Wait": {
        const until = decision.until === Life.never ? null : decision.until
        workspace.credentials.update({ ...credential, refreshDueAt: until })
        return Result.succeed(request.asked === null ? { _tag: "Wait", until: decision.until } : { _tag: "Paused" })
      }
      case "Busy":
      case "Refused":
      case "Over":
        return Result.succeed(decision)
    }
  }
})

/** A claim whose step did not begin: whoever comes next need not wait for its end. Answers whether there was one. */
export const giveBackStep = (
  request: { readonly credentialId: string; readonly term: number },
  caller: Caller
): Command<boolean> => ({
  name: "credential.rotation-give-back",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace): Result.Result<boolean, errors.Refusal> => {
    const { credentialId, term } = request
    const credential = workspace.credentials.own(credentialId)
    if (credential?.rotating === undefined || credential.state === "revoked") return Result.succeed(false)
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    const rotating = Life.giveBack(credential.rotating, term)
    if (rotating === undefined) return Result.succeed(false)
    workspace.credentials.update(withRotating(credential, rotating))
    return Result.succeed(true)
  }
})

// ---- what came of it ---------------------------------------------------------------

export interface StepSettling {
  readonly credentialId: string
  readonly term: number
  readonly work: Life.Work
  readonly outcome: Life.StepOutcome
  /** The new secret: made by `prepare`, or used by `test`. */
  readonly secret: Secret | null
  /** A rotator's own words, cut and searched for secrets; for the audit. */
  readonly detail: string
}

export type SettledStep =
  | { readonly _tag: "Fenced" }
  | {
      readonly _tag: "Settled"
      readonly version: number
      readonly switched: boolean
      readonly failure: StepFailure | null
    }

export interface StepFailure {
  readonly reason: RefreshReason
  readonly permanent: boolean
  readonly retryAfterMs: number | null
}

/** Of a failing series: the first one, the one that is for good, then once a day. */
const tellFailure = (
  workspace: Workspace,
  credential: Credential,
  rotating: Life.Rotating,
  { permanent, reason }: { readonly permanent: boolean; readonly reason: RefreshReason },
  events: Events
): Life.Rotating => {
  const { toldAt } = rotating
  if (toldAt !== null && !permanent && workspace.now < toldAt + dayMs) return rotating
  events.announce(workspace, "refresh_failed", credential, {
    reason,
    permanent,
    attempts: rotating.attempts,
    ...(rotating.nextAttemptAt === null || permanent ? {} : { next_attempt_at: iso(rotating.nextAttemptAt) })
  })
  return { ...rotating, toldAt: workspace.now }
}

/** The new secret becomes the version that is handed out; the old one stays, sealed, until it is retired. */
const switchOver = (
  workspace: Workspace,
  before: Credential,
  state: Life.Rotating,
  request: StepSettling & { readonly secret: Secret },
  sealer: SecretSealer,
  events: Events,
  caller: Caller
): Credential => {
  const { credentialId } = before
  const next = changed(before, workspace, caller)
  const credential = withRotating({ ...next, secretVersion: next.version }, state)
  const old = workspace.credentials.currentVersion(before)
  const retire = state.cleanups.find(({ version }) => version === before.secretVersion)
  const overlapUntil = retire?.dueAt ?? workspace.now
  if (old !== undefined) {
    workspace.credentials.putVersion({ ...old, state: "spare", validUntil: overlapUntil, reason: "rotated" })
  }
  workspace.credentials.update(credential)
  workspace.credentials.deleteVersion(credentialId, Life.pendingVersion(request.work.generation))
  const version = putSecret(workspace, credential, request.secret, sealer, caller)
  record(workspace, "credential.rotated", credentialId, caller, {
    cause: "rotator",
    rotator: state.rotator,
    generation: request.work.generation,
    version: [before.version, credential.version],
    credentials: [old?.fingerprints ?? {}, version.fingerprints],
    overlap_until: iso(overlapUntil)
  })
  events.announce(workspace, "rotated", credential, {
    version: credential.version,
    expires_at: iso(credential.expiresAt),
    overlap_until: overlapUntil > workspace.now ? iso(overlapUntil) : null,
    cause: "rotator"
  })
  if (before.rotating?.toldAt !== null) {
    events.announce(workspace, "recovered", credential, { version: credential.version })
  }
  return credential
}

export const settleStep = (
  request: StepSettling,
  sealer: SecretSealer,
  events: Events,
  caller: Caller
): Command<SettledStep> => ({
  name: "credential.rotation-settle",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace): Result.Result<SettledStep, errors.Refusal> => {
    const found = findOwn(workspace, request.credentialId, null)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const before = found.success
    const { credentialId, rotating } = before
    const { outcome, secret, term, work } = request
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    if (rotating === undefined || before.state === "revoked") return Result.succeed({ _tag: "Fenced" })
    const decision = Life.decideSettle({
      state: rotating,
      term,
      work,
      outcome,
      currentVersion: before.secretVersion,
      now: workspace.now
    })
    if (decision._tag === "Fenced") return Result.succeed(decision)
    const { effect, failedForGood } = decision
    const of = (credential: Credential, failure: StepFailure | null = null): SettledStep => ({
      _tag: "Settled",
      version: credential.secretVersion,
      switched: effect === "switch",
      failure
    })
    if (effect === "switch" || effect === "keep_pending") {
      if (secret === null) throw new Error("a new secret is settled that is not there")
      if (effect === "switch") {
        return Result.succeed(
          of(switchOver(workspace, before, decision.state, { ...request, secret }, sealer, events, caller))
        )
      }
      const place = Life.pendingVersion(work.generation)
      workspace.credentials.putVersion({
        credentialId,
        version: place,
        state: "pending",
        ...sealer.seal(credentialId, place, secret, []),
        fingerprints: {},
        expiresAt: null,
        validUntil: null,
        reason: null,
        createdAt: workspace.now,
        createdBy: caller.principal
      })
    }
    if (effect === "wipe" && work.kind === "cleanup") {
      const old = workspace.credentials.versionsOf(credentialId).find(({ version }) => version === work.version)
      if (Life.isPending(work.version)) workspace.credentials.deleteVersion(credentialId, work.version)
      else if (old !== undefined) {
        workspace.credentials.putVersion({ ...old, sealed: null, keyId: null, state: "superseded" })
      }
      record(workspace, work.step === "retire" ? "credential.retired" : "credential.undone", credentialId, caller, {
        rotator: rotating.rotator,
        generation: work.generation
      })
    }
    let { state } = decision
    let failure: StepFailure | null = null
    if (outcome.kind === "failed") {
      const retryAt = work.kind === "step" && !failedForGood ? state.nextAttemptAt : null
      failure = {
        reason: outcome.reason,
        permanent: failedForGood,
        retryAfterMs: retryAt === null ? null : Math.max(0, retryAt - workspace.now)
      }
      record(workspace, "credential.rotation-failed", credentialId, caller, {
        rotator: rotating.rotator,
        generation: work.generation,
        step: work.step,
        reason: outcome.reason,
        permanent: outcome.permanent,
        ...(request.detail === "" ? {} : { detail: request.detail })
      })
      if (work.kind === "step") state = tellFailure(workspace, before, state, failure, events)
    }
    const after = withRotating(before, state)
    workspace.credentials.update(after)
    return Result.succeed(of(after, failure))
  }
})
