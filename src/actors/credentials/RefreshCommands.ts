/**
 * The steps of a refresh that are decided under the tenant's lock: the claim, and what an answer means.
 *
 * `domain/GrantLife.ts` says what becomes of the grant; here it becomes rows. Neither changes what
 * callers know of a credential unless a secret was received: a claim is no change of its version.
 *
 * Longer than 300 lines because claim and settlement are read together.
 */
import { Result } from "effect"
import {
  answerVersionBase,
  type Credential,
  type CredentialVersion,
  hasRunOut,
  isAnswer,
  revocationVersion
} from "../../domain/Credential.ts"
import * as Lifecycle from "../../domain/CredentialLifecycle.ts"
import type { Secret } from "../../domain/CredentialShape.ts"
import * as errors from "../../domain/errors.ts"
import type { Answer, GrantTiming, HeldGrant, Holding, Named } from "../../domain/Grant.ts"
import * as Life from "../../domain/GrantLife.ts"
import type { Provider, RefreshReason } from "../../domain/Provider.ts"
import {
  bounded,
  dueAt,
  graceUntil,
  grantEnd,
  healthFrom,
  heldVersions,
  newRefresh,
  nextRefreshAt,
  noticedBefore,
  type Refresh,
  type Rotation,
  rulesOf,
  toldNothing
} from "../../domain/Refresh.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import { credentialChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import { changed, type Events, findOwn, iso, putSecret, putVersions, record, type SecretSealer } from "./Change.ts"
import type { ChangedCredential } from "./Credentials.ts"

/** A rotation that was checked, with what is needed to begin. */
export interface RefreshSetup {
  readonly provider: Provider
  readonly rotation: Rotation
  /** The provider is the tenant's own entry. */
  readonly own?: boolean
  readonly lane: string
  readonly queue: string
  readonly chance: number
}

/** What is exchanged, as a fingerprint. */
export const grantIn = ({ grant }: Provider, fingerprints: Readonly<Record<string, string>>): string =>
  grant === "client_credentials"
    ? "client"
    : (fingerprints[grant === "exchange_live" ? "access_token" : "refresh_token"] ?? "none")

const scheduled = (setup: RefreshSetup, from: number, expiresAt: number | null): number | null =>
  nextRefreshAt({ provider: setup.provider, rotation: setup.rotation, from, expiresAt, chance: setup.chance })

/** Of a secret that was stored just now, as the version that is handed out. */
export const firstRefresh = (setup: RefreshSetup, version: CredentialVersion, now: number): Refresh =>
  newRefresh({
    provider: setup.provider.name,
    own: setup.own,
    lane: setup.lane,
    queue: setup.queue,
    version: version.version,
    grant: grantIn(setup.provider, version.fingerprints),
    nextRefreshAt: scheduled(setup, now, version.expiresAt),
    grantExpiresAt: grantEnd(setup.provider, now, null, version.expiresAt),
    health: healthFrom(setup.provider, version.expiresAt, now, setup.chance)
  })

export const withRefresh = (credential: Credential, refresh: Refresh): Credential => ({
  ...credential,
  refresh,
  refreshDueAt: dueAt(refresh)
})

/** A secret was stored by hand: what is held besides stays, in case that something newer is on its way. */
export const refreshAfterHand = (
  before: Refresh,
  setup: RefreshSetup,
  version: CredentialVersion,
  now: number
): Refresh => {
  const stored = { version: version.version, grant: grantIn(setup.provider, version.fingerprints) }
  const { holding, state } = Life.afterHand(before.grant, before.holding, stored)
  return {
    ...before,
    own: setup.own === true ? true : undefined,
    lane: setup.lane,
    queue: setup.queue,
    grant: state,
    graceUntil: graceUntil(state, rulesOf(setup.provider)),
    holding: bounded(holding),
    nextRefreshAt: scheduled(setup, now, version.expiresAt),
    grantExpiresAt: grantEnd(setup.provider, now, null, version.expiresAt),
    grantNoticedMs: null,
    health: healthFrom(setup.provider, version.expiresAt, now, setup.chance),
    lastError: null,
    told: toldNothing,
    unread: undefined
  }
}

/** The last term whose answer lies among these versions; 0: none. */
const lastTermOf = (stored: ReadonlyArray<CredentialVersion>): number =>
  stored.reduce((last, { version }) => {
    const isOfTerm = version > answerVersionBase && version < revocationVersion
    return isOfTerm ? Math.max(last, version - answerVersionBase) : last
  }, 0)

/**
 * `rotation` names a provider, and did not before, or not since the secret was stored. A term is never given twice, and
 * of what was held what has its secret still is held on. `stored`: the versions that have one.
 */
export const refreshTakenUp = (
  former: Refresh | undefined,
  first: Refresh,
  { provider }: RefreshSetup,
  stored: ReadonlyArray<CredentialVersion>
): Refresh => {
  const { current } = first.holding
  if (former === undefined) {
    const term = lastTermOf(stored)
    return { ...first, grant: { ...first.grant, term }, holding: { current: { ...current, term }, spares: [] } }
  }
  const kept = Life.ofNamed(former.holding, former, first)
  const { holding, state } = Life.takenUp({ state: former.grant, holding: kept }, current)
  const sealed = new Set(stored.map(({ version }) => version))
  const spares = holding.spares.filter(({ version }) => sealed.has(version))
  return {
    ...former,
    grant: state,
    graceUntil: graceUntil(state, rulesOf(provider)),
    holding: bounded({ current: holding.current, spares }),
    ...(state === former.grant ? {} : { lastError: null, told: toldNothing, grantNoticedMs: null })
  }
}

// ---- the same request again ----------------------------------------------------------

/** The answer that the caller's idempotency key was given first; null: none yet. */
export const answerBefore = (caller: Caller): Command<ChangedCredential | null> => ({
  name: "credential.rotate",
  caller,
  load: {},
  decide: (workspace) => {
    workspace.provisional()
    return Result.succeed(null)
  }
})

/** Keeps the answer for the caller's idempotency key, or gives the one that was kept already. */
export const keepAnswer = (
  answer: Result.Result<ChangedCredential, errors.Refusal>,
  caller: Caller
): Command<ChangedCredential> => ({ name: "credential.rotate", caller, load: {}, decide: () => answer })

// ---- claim -----------------------------------------------------------------------

export type Claimed =
  | {
      readonly _tag: "Claimed"
      readonly credential: Credential
      readonly claim: Life.Claim
      readonly spends: HeldGrant
      readonly version: CredentialVersion
    }
  /** Answers wait to be settled; ascending by term. */
  | { readonly _tag: "Settle"; readonly credential: Credential; readonly answers: ReadonlyArray<CredentialVersion> }
  | { readonly _tag: "Busy"; readonly term: number; readonly until: number }
  | { readonly _tag: "Wait"; readonly until: number; readonly inDoubt: boolean; readonly changed: boolean }
  | { readonly _tag: "ReconnectNeeded"; readonly changed: boolean }
  | { readonly _tag: "NotDue" }
  | { readonly _tag: "Paused" }

export interface ClaimRequest {
  readonly credentialId: string
  readonly provider: Provider
  /** Whose entry that is: the tenant's own, or everybody's. */
  readonly own: boolean
  readonly timing: GrantTiming
  readonly holder: string
  readonly asked: boolean
  /** Null: any. */
  readonly expectedVersion: number | null
}

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Tells once that a grant is in doubt, or that a person must reconnect. */
export const tell = (
  workspace: Workspace,
  credential: Credential,
  refresh: Refresh,
  inDoubt: boolean,
  events: Events
): Refresh => {
  let told = refresh.told
  if (inDoubt && !told.inDoubt) {
    events.announce(workspace, "refresh_in_doubt", credential, { version: credential.version })
    told = { ...told, inDoubt: true }
  }
  if (refresh.grant.isFinal && !told.reconnect) {
    const reason = refresh.lastError?.reason ?? "unknown"
    events.announce(workspace, "reconnect_needed", credential, { reason, version: credential.version })
    told = { ...told, reconnect: true }
  }
  return { ...refresh, told }
}

/** `decided` hears of a claim when it is decided: whether it was committed may never be known. */
export const claim = (
  request: ClaimRequest,
  events: Events,
  caller: Caller,
  decided: (claim: Life.Claim) => void = () => {}
): Command<Claimed> => ({
  name: "credential.claim",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace): Result.Result<Claimed, errors.Refusal> => {
    const found = findOwn(workspace, request.credentialId, request.expectedVersion)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const credential = found.success
    const { credentialId, refresh } = credential
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    if (refresh === undefined) return Result.fail(new errors.RefreshNotConfigured({ credentialId }))
    if (credential.state === "revoked") return Result.fail(new errors.CredentialRevoked({ credentialId }))
    const answers = workspace.credentials.versionsOf(credentialId).filter(isAnswer)
    // It was read when another one was named: whose the grant is, and by which rules, is read again.
    const isReadOf = request.provider.name === refresh.provider && request.own === (refresh.own === true)
    if (!isReadOf) return Result.succeed({ _tag: "Settle", credential, answers })
    const isOff = workspace.credentials.servicesFor(credential).some(({ isActive }) => !isActive)
    if (isOff && answers.length === 0) return Result.succeed({ _tag: "Paused" })
    const rules = rulesOf(request.provider)
    const decision = Life.decideClaim({
      state: refresh.grant,
      rules,
      timing: request.timing,
      holding: refresh.holding,
      unsettled: answers.length > 0,
      now: workspace.now,
      holder: request.holder,
      asked: request.asked
    })
    const put = (grant: Life.GrantState, inDoubt: boolean): boolean => {
      const now: Refresh = { ...refresh, grant, graceUntil: graceUntil(grant, rules) }
      const next = tell(workspace, credential, now, inDoubt, events)
      if (sameJson(next, refresh)) return false
      workspace.credentials.update(withRefresh(credential, next))
      return true
    }
    switch (decision._tag) {
      case "Settle":
        return Result.succeed({ _tag: "Settle", credential, answers })
      case "Busy":
        return Result.succeed({ _tag: "Busy", term: refresh.grant.claim?.term ?? 0, until: decision.until })
      case "Wait": {
        const changed = put(decision.state, decision.inDoubt)
        const now = workspace.credentials.own(credentialId)!
        // Looked at again when the wait is over.
        workspace.credentials.update({ ...now, refreshDueAt: decision.until })
        return Result.succeed({ _tag: "Wait", until: decision.until, inDoubt: decision.inDoubt, changed })
      }
      case "ReconnectNeeded":
        return Result.succeed({ _tag: "ReconnectNeeded", changed: put(decision.state, false) })
      case "Claim": {
        const quiet = refresh.grant.claim === null && refresh.grant.doubtSince === null && refresh.grant.attempts === 0
        const next = refresh.nextRefreshAt
        if (!request.asked && quiet && (next === null || next > workspace.now)) {
          workspace.credentials.update({ ...credential, refreshDueAt: dueAt(refresh) })
          return Result.succeed({ _tag: "NotDue" })
        }
        const version = workspace.credentials
          .versionsOf(credentialId)
          .find((one) => one.version === decision.spends.version)
        if (version === undefined) throw new Error("a grant is held whose version has no secret")
        put(decision.state, decision.state.doubtSince !== null)
        const claimed = workspace.credentials.own(credentialId)!
        const { claim, spends } = decision
        decided(claim)
        return Result.succeed({ _tag: "Claimed", credential: claimed, claim, spends, version })
      }
    }
  }
})

// ---- give back -------------------------------------------------------------------

/** By itself nobody looks again at once: what stood in the way may stand there still. */
const giveBackPauseMs = 5_000

/** A claim whose exchange did not begin. Whoever asks may claim at once. Answers whether there was one. */
export const giveBack = (
  request: {
    readonly credentialId: string
    readonly provider: Provider
    readonly holder: string
    /** Asked when it is decided; null: none was claimed. */
    readonly term: () => number | null
  },
  caller: Caller
): Command<boolean> => ({
  name: "credential.give-back",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace) => {
    const credential = workspace.credentials.own(request.credentialId)
    const term = request.term()
    // Its rotation may have been taken away meanwhile: what is known waits there, and comes back with its claim.
    const refresh = credential?.refresh ?? credential?.formerRefresh
    if (credential === undefined || refresh === undefined || term === null) return Result.succeed(false)
    const { credentialId } = credential
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    const grant = refresh.grant.claim?.holder === request.holder ? Life.giveBack(refresh.grant, term) : undefined
    if (grant === undefined) return Result.succeed(false)
    const next = { ...refresh, grant, graceUntil: graceUntil(grant, rulesOf(request.provider)) }
    if (credential.refresh === undefined) {
      workspace.credentials.update({ ...credential, formerRefresh: next })
      return Result.succeed(true)
    }
    const at = dueAt(next)
    const refreshDueAt = at === null ? null : Math.max(at, workspace.now + giveBackPauseMs)
    // What was revoked meanwhile is looked at for that alone.
    workspace.credentials.update({
      ...credential,
      refresh: next,
      ...(credential.state === "revoked" ? {} : { refreshDueAt })
    })
    return Result.succeed(true)
  }
})

// ---- settle ----------------------------------------------------------------------

/** What came of it beside the grant. */
export interface Settling {
  readonly credentialId: string
  /** The credential's version that the answer was read by: by another one it is read anew. Null: any. */
  readonly seenVersion: number | null
  readonly setup: RefreshSetup
  readonly timing: GrantTiming
  readonly answer: Answer
  /** Who gave it; null: who is named. */
  readonly of: Named | null
  /** Of a granted one. */
  readonly granted: {
    readonly secret: Secret
    /** Null: as the one before. */
    readonly expiresAt: number | null
    /** False: a refresh token came without an access token that could be used. */
    readonly isWhole: boolean
  } | null
  readonly failure: {
    readonly reason: RefreshReason
    readonly detail: string
    readonly httpStatus: number | null
  } | null
}

export type Settled =
  | { readonly _tag: "Gone" }
  | {
      readonly _tag: "Settled"
      readonly credential: Credential
      readonly placement: Life.Placement
      readonly refresh: Refresh
    }

export const dayMs = 86_400_000

const tellFailure = (
  workspace: Workspace,
  credential: Credential,
  refresh: Refresh,
  reason: RefreshReason,
  events: Events
): Refresh => {
  const { failedAt } = refresh.told
  const isFinal = refresh.grant.isFinal && !refresh.told.reconnect
  if (failedAt !== null && !isFinal && workspace.now < failedAt + dayMs) return refresh
  events.announce(workspace, "refresh_failed", credential, {
    reason,
    permanent: refresh.grant.isFinal,
    attempts: refresh.grant.attempts,
    ...(refresh.grant.nextAttemptAt === null ? {} : { next_attempt_at: iso(refresh.grant.nextAttemptAt) })
  })
  return { ...refresh, told: { ...refresh.told, failedAt: workspace.now } }
}

const isFree = (workspace: Workspace, credential: Credential): boolean => {
  const active = workspace.credentials.activeInSlot(credential.serviceName, credential.owner)
  return active === undefined || active.credentialId === credential.credentialId || hasRunOut(active, workspace.now)
}

export const settle = (
  { answer, failure, granted, ...request }: Settling,
  sealer: SecretSealer,
  events: Events,
  caller: Caller
): Command<Settled> => ({
  name: "credential.settle",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace): Result.Result<Settled, errors.Refusal> => {
    const found = findOwn(workspace, request.credentialId, null)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const before = found.success
    const { credentialId, refresh: known } = before
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    // What came after the end is there to be revoked at the provider too, and brings nothing back.
    if (before.state === "revoked") return Result.succeed({ _tag: "Gone" })
    const place = answerVersionBase + answer.term
    const stored = workspace.credentials.versionsOf(credentialId)
    // One that cannot be opened holds up none that came later.
    const unread = known?.unread ?? []
    const oldest = stored.find((one) => isAnswer(one) && (one.version === place || !unread.includes(one.version)))
    // Settled by another one, or not the oldest any more.
    if (oldest?.version !== place) return Result.succeed({ _tag: "Gone" })
    if (request.seenVersion !== null && before.version !== request.seenVersion) return Result.succeed({ _tag: "Gone" })
    // Nothing is refreshed any more. It lies there, sealed, in case that a provider is named again.
    if (known === undefined) return Result.succeed({ _tag: "Gone" })
    const { now } = workspace
    const { setup } = request
    const of = request.of === null || Life.isSameProvider(request.of, known) ? {} : { of: request.of }
    const settlement = Life.decideSettle({
      state: known.grant,
      rules: rulesOf(setup.provider),
      timing: request.timing,
      holding: known.holding,
      answer: { ...answer, ...of },
      now
    })
    // Somebody has connected anew since: it tells nothing of what that person stored.
    const isOfAnother = settlement.placement === "aside" || settlement.placement === "superseded"
    const marked = Life.marked(known.holding, settlement, of.of)
    let credential = before
    let holding: Holding = marked
    let refresh: Refresh = {
      ...known,
      queue: setup.queue,
      grant: settlement.state,
      graceUntil: graceUntil(settlement.state, rulesOf(setup.provider)),
      ...(unread.length === 0 ? {} : { unread: unread.filter((version) => version !== place) })
    }
    if (answer.outcome.kind === "granted" && granted !== null && !isOfAnother) {
      const next = changed(before, workspace, caller)
      const held: HeldGrant = {
        version: next.version,
        term: answer.term,
        byHand: false,
        grant: answer.outcome.grant,
        spent: false,
        refused: false,
        ...of
      }
      if (settlement.placement === "promote") {
        const expiresAt = granted.isWhole ? granted.expiresAt : before.expiresAt
        const lives = expiresAt === null || expiresAt > now
        const state = lives && isFree(workspace, before) ? "active" : before.state
        if (state === "active") {
          const active = workspace.credentials.activeInSlot(before.serviceName, before.owner)
          if (active !== undefined && active.credentialId !== credentialId) {
            workspace.credentials.update({ ...changed(active, workspace, caller), state: "expired", reason: "expired" })
          }
        }
        credential = {
          ...next,
          state,
          reason: state === "active" ? null : before.reason,
          secretVersion: next.version,
          expiresAt,
          noticedMs: null
        }
        holding = Life.afterPromotion(marked, held, answer.spent)
        const grantExpiresAt = grantEnd(setup.provider, now, known.grantExpiresAt, expiresAt)
        refresh = {
          ...refresh,
          grantExpiresAt,
          grantNoticedMs: noticedBefore(known.grantNoticedMs, grantExpiresAt, now),
          ...(granted.isWhole
            ? {
                lastRefreshedAt: now,
                nextRefreshAt: scheduled(setup, now, expiresAt),
                health: healthFrom(setup.provider, expiresAt, now, setup.chance)
              }
            : {})
        }
        workspace.credentials.update(credential)
        const version = putSecret(workspace, credential, granted.secret, sealer, caller)
        // Nobody is told of a success that brought nothing to hand out.
        const action = granted.isWhole ? "credential.rotated" : "credential.refresh-kept"
        record(workspace, action, credentialId, caller, {
          cause: "refresh",
          term: answer.term,
          version: [before.version, credential.version],
          credentials: [
            stored.find((one) => one.version === before.secretVersion)?.fingerprints ?? {},
            version.fingerprints
          ],
          expires_at: [iso(before.expiresAt), iso(expiresAt)]
        })
        if (granted.isWhole) {
          events.announce(workspace, "rotated", credential, {
            version: credential.version,
            expires_at: iso(expiresAt),
            overlap_until: null,
            cause: "refresh"
          })
        }
      } else {
        credential = next
        holding = Life.withSpare(marked, held)
        const spare = { ...next, secretVersion: next.version }
        const version = putSecret(workspace, spare, granted.secret, sealer, caller)
        workspace.credentials.putVersion({ ...version, state: "spare" })
        record(workspace, "credential.refresh-kept", credentialId, caller, { term: answer.term, version: next.version })
      }
      const { attempts, doubtSince, isFinal } = refresh.grant
      if (attempts === 0 && doubtSince === null && !isFinal) {
        const { told } = known
        const wasSick = typeof known.health?.toldAt === "number"
        if (told.failedAt !== null || told.inDoubt || told.reconnect || wasSick) {
          events.announce(workspace, "recovered", credential, { version: credential.version })
        }
        refresh = { ...refresh, lastError: null, told: toldNothing }
      }
    }
    // Nothing that callers know of changes: it lies where the answer lay, and only its grant is known.
    let apart = oldest
    if (settlement.placement === "aside" && answer.outcome.kind === "granted" && granted !== null) {
      const { grant } = answer.outcome
      const { term } = answer
      const one = { version: place, term, byHand: false, grant, spent: false, refused: false, aside: true } as const
      holding = Life.withSpare(marked, { ...one, ...of })
      const fingerprints = stored.map((version) => version.fingerprints).toReversed()
      apart = { ...oldest, ...sealer.seal(credentialId, place, granted.secret, fingerprints) }
    }
    refresh = { ...refresh, holding: bounded(holding) }
    if (failure !== null && !isOfAnother) {
      refresh = { ...refresh, lastError: { reason: failure.reason, at: now, httpStatus: failure.httpStatus } }
      record(workspace, "credential.refresh-failed", credentialId, caller, {
        term: answer.term,
        reason: failure.reason,
        ...(failure.httpStatus === null ? {} : { http_status: failure.httpStatus }),
        ...(failure.detail === "" ? {} : { detail: failure.detail }),
        attempts: refresh.grant.attempts
      })
      refresh = tellFailure(workspace, credential, refresh, failure.reason, events)
      refresh = tell(workspace, credential, refresh, refresh.grant.doubtSince !== null, events)
    }
    putVersions(
      workspace,
      Lifecycle.versionsBesideHeld(stored, heldVersions(refresh.holding), credential.secretVersion, now)
    )
    for (const { refused, spent, version } of marked.spares) {
      const isOver = (spent || refused) && !heldVersions(refresh.holding).has(version)
      if (version > answerVersionBase && isOver) workspace.credentials.deleteVersion(credentialId, version)
    }
    if (isOfAnother) {
      workspace.credentials.putVersion({ ...apart, state: "spare", reason: "superseded" })
      record(workspace, "credential.refresh-superseded", credentialId, caller, { term: answer.term })
    } else workspace.credentials.deleteVersion(credentialId, place)
    const after = withRefresh(credential, refresh)
    workspace.credentials.update(after)
    return Result.succeed({ _tag: "Settled", credential: after, placement: settlement.placement, refresh })
  }
})
