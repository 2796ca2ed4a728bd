/**
 * `Refresher`: one refresh of one credential, from its claim to what came of it.
 *
 *   turn at the provider ──> claim (durable) ──> look once more ──> exchange ──> answer sealed and durable ──> settle
 *                               └────── no exchange: the claim is given back
 *
 * Promises:
 * - an exchange runs on a fibre that nobody's going away ends, not the caller's and not an orderly stop's;
 * - what a provider answered is stored, however long that takes and whatever became of the claim;
 * - who asks while a refresh is under way, at this replica or another, gets what comes of that one;
 * - what was stored and not settled, by whoever is dead since, is settled before anything else is done;
 * - a claim whose exchange did not begin, for whatever reason, is given back, so that nobody waits for its end, and so is
 *   one whose client was refused before its next secret could be tried;
 * - an exchange begins within its turn, and ends within it as far as this process is not made to sleep;
 * - once the stop was begun nothing begins that nobody waits for, and what is under way is carried to its end.
 * How an answer is settled is `StoredAnswers.ts`, the rules are `domain/GrantLife.ts`; what remains, and what a person does about it,
 * docs/refresh.md.
 *
 * Longer than 300 lines because the order of the steps is the promise.
 */
import { Cause, Clock, Deferred, Duration, Effect, Exit, FiberSet, Layer, Metric, Option, Random, Result } from "effect"
import { CredentialsConfig } from "../actors/credentials/CredentialsConfig.ts"
import * as DescribeCache from "../actors/credentials/DescribeCache.ts"
import { CredentialEvents } from "../actors/credentials/Events.ts"
import { type HealthOutcome, settleHealth } from "../actors/credentials/HealthCommands.ts"
import { Providers } from "../actors/credentials/Providers.ts"
import * as commands from "../actors/credentials/RefreshCommands.ts"
import { Refresher, type RevokedAtProvider } from "../actors/credentials/Refresher.ts"
import { settleRevocation } from "../actors/credentials/RevocationCommands.ts"
import { believeCredential, tellChanged, tellUnread } from "../actors/tenant/RowTagging.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../actors/tenant/Tenants.ts"
import { Keyring } from "../crypto/Keyring.ts"
import { secretPurpose, TenantKeys } from "../crypto/TenantKeys.ts"
import {
  answerVersionBase,
  type Credential,
  type CredentialVersion,
  isAnswer,
  revocationVersion
} from "../domain/Credential.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import * as errors from "../domain/errors.ts"
import type { GrantTiming } from "../domain/Grant.ts"
import * as Life from "../domain/GrantLife.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import type { Provider } from "../domain/Provider.ts"
import { readAnswer } from "../domain/ProviderAnswer.ts"
import { broughtNothing, providerFor, type Refresh, refreshIsDue, rulesOf } from "../domain/Refresh.ts"
import { parseRotation } from "../domain/RotationShape.ts"
import { Replica } from "../observability/Replica.ts"
import * as Seldom from "../observability/Seldom.ts"
import { Shutdown } from "../observability/Shutdown.ts"
import {
  type CircuitChange,
  pickedMs,
  RefreshStore,
  type Route,
  type Standing,
  type TurnResult
} from "../store/RefreshStore.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { AtWork, type Place } from "./AtWork.ts"
import * as DueSift from "./DueSift.ts"
import { exchange, type Kept, reasonOfFailure } from "./Exchange.ts"
import * as HealthCheck from "./HealthCheck.ts"
import * as LiveRotator from "./LiveRotator.ts"
import { keyFailed } from "./OpenVersion.ts"
import { perhapsDone } from "./perhapsDone.ts"
import { RefreshConfig } from "./RefreshConfig.ts"
import { revokeAt } from "./RevokeAtProvider.ts"
import type { Known, Spent } from "./StoredAnswers.ts"
import * as StoredAnswers from "./StoredAnswers.ts"

const noneAsked: TurnResult = { _tag: "none" }
type Revoked = NonNullable<Effect.Success<ReturnType<typeof revokeAt>>>
const doneAtProvider: Revoked = { failure: null, result: { _tag: "ok" } }
const nothingToRevoke: Revoked = {
  failure: { reason: "unknown", detail: "", httpStatus: null },
  result: { _tag: "none" }
}

type Ended =
  | { readonly _tag: "Refreshed"; readonly version: number }
  | { readonly _tag: "Failed"; readonly error: ChangeError }
  /** A bug: whoever waits dies of it. */
  | { readonly _tag: "Died"; readonly defect: unknown }
  /** Nothing was to be done, or not now. */
  | { readonly _tag: "Idle" }

const failed = (error: ChangeError): Ended => ({ _tag: "Failed", error })
const idle: Ended = { _tag: "Idle" }

/** Who asks waits so long at most. */
const rotateWait = Duration.seconds(18)
const readWait = Duration.seconds(10)
const turnWaitMs = 8_000
/** Refreshes that nobody waits for of which this process does something at one moment; others wait for their provider. */
const atWorkMax = 3
const lookEvery = Duration.millis(250)
const lookAgainAfterBug = Duration.seconds(5)
const giveBackEvery = Duration.seconds(1)
/** What is not given back by then runs out. */
const giveBackTries = 30
/** An answer that could not be settled is tried again after so long, then twice as long, until its claim runs out. */
const settleAgainMs = 1_000
const looksMax = 64
const stepsMax = 12
const stopLimit = Duration.seconds(25)
/** Nothing mends a changed row by itself, nor a secret that cannot be opened: who put it right asks, or waits so long. */
const restMs = 3_600_000
/** What cannot be read at all may be a fault of ours, and is mended by a start. */
const unreadRestMs = 300_000
/** A request that took its whole time is given up so much later at most, on a machine that keeps up. */
const givenUpMs = 2_000
const encoder = new TextEncoder()

const exchanges = Metric.counter("credential_refresh_exchanges_total", {
  description: "Exchanges at providers, by what came of them",
  incremental: true
})
const circuitChanges = Metric.counter("credential_refresh_circuit_changes_total", {
  description: "Circuits at providers that opened or closed, by whose: the provider's, or a client's at it",
  incremental: true
})
/** A provider that says only that it was asked too often. */
const limitedMs = 5_000

const background: Caller = { ...servicePrincipal("service"), correlationId: "refresh", idempotency: null }
const databaseFailed = (_: StoreUnavailable) => new errors.Unavailable({ part: "database", committed: false })
/** While an exchange is under way, here or elsewhere, that may still bring a new version. */
const databaseFailedMeanwhile = (_: StoreUnavailable) => new errors.Unavailable({ part: "database", committed: null })

/**
 * What fails behind an answer that is kept is no failure of the refresh: what was brought is settled yet, and perhaps handed
 * out. What says so by itself, and what nobody but a person can help with, stays what it is.
 */
const failedBehind = (error: ChangeError): ChangeError =>
  error._tag === "RefreshInDoubt" || error._tag === "RowChanged" ? error : perhapsDone(error, "refresh")

/** Not what comes of waiting, and of what is away for a moment. */
const isFirstAnswer = (error: ChangeError): error is errors.Refusal =>
  !["RefreshPending", "RefreshInDoubt", "RowChanged", "Unavailable", "TooManyRequests", "NotYetInForce"].includes(
    error._tag
  )

const errorOf = (cause: Cause.Cause<ChangeError>) => Option.getOrUndefined(Cause.findErrorOption(cause))
/** It is done, or may be, now or later. */
const isPerhapsDone = (cause: Cause.Cause<ChangeError>): boolean => {
  const error = errorOf(cause)
  return error?._tag === "Unavailable" && error.committed !== false
}
const isAway = (cause: Cause.Cause<ChangeError>): boolean =>
  ["Unavailable", "TooManyRequests"].includes(errorOf(cause)?._tag ?? "")

interface Asking {
  readonly tenantId: string
  readonly credentialId: string
  readonly caller: Caller
  readonly asked: boolean
  /** A person asked for it: no circuit holds it back. */
  readonly insists: boolean
  /** Of a rotator; null: as is usual. */
  readonly overlapMs: number | null
  /** The credential's version that who asks has seen; null: any. */
  readonly expectedVersion: number | null
}

/** What nobody waits for. */
const ofNobody = (tenantId: string, credentialId: string): Asking => ({
  tenantId,
  credentialId,
  caller: background,
  asked: false,
  insists: false,
  overlapMs: null,
  expectedVersion: null
})

interface Job extends Asking {
  readonly place: Place
}

/** How far one came, for whoever has to say what becomes of it when it fails. */
interface Course {
  /** What its provider answered is kept. */
  isKept: boolean
  /** Of the credential, as it was read last; null: it was not. */
  version: number | null
}

/** A turn at a provider, and until when it is held at least, by the clock that only this process has. */
interface HeldTurn {
  readonly id: number
  readonly until: number
}

const make = Effect.gen(function* () {
  const config = yield* RefreshConfig
  const { providerHosts } = yield* CredentialsConfig
  const { process } = yield* Replica
  const shutdown = yield* Shutdown
  const actors = yield* TenantActors
  const store = yield* RefreshStore
  const keyring = yield* Keyring
  const tenantKeys = yield* TenantKeys
  const providers = yield* Providers
  const events = yield* CredentialEvents
  const describeCache = yield* DescribeCache.make
  const changedRows = yield* Seldom.make
  const deaths = yield* Seldom.make
  const sift = yield* DueSift.make(restMs, changedRows)
  const rotator = yield* LiveRotator.make(changedRows)
  const timing: GrantTiming = { claimMs: Duration.toMillis(config.claim), doubtMs: Duration.toMillis(config.doubt) }
  const exchangeMs = Duration.toMillis(config.exchange)
  const guard = { allowedHosts: providerHosts, timeoutMs: exchangeMs }
  /** Asked for, whatever came of it. */
  let claimCount = 0

  const fibers = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  /** All who asked are gone. */
  let isClosing = false
  // What is under way when the replica stops is carried to its end, as far as there is time.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isClosing = true
      return Effect.timeoutOption(FiberSet.awaitEmpty(fibers), stopLimit)
    })
  )
  /** The stop was begun: what nobody waits for is another replica's to begin. */
  const stopsBefore = ({ place }: Pick<Job, "place">): Effect.Effect<boolean> =>
    Effect.map(shutdown.isRequested, (isStopping) => isClosing || (isStopping && !place.hurried))
  const putOff = ({ credentialId }: Asking): Effect.Effect<Ended> =>
    Effect.as(Effect.ignore(store.putBack(credentialId, 0)), idle)
  /** Of what nobody waits for: it would be picked again at once, and again. */
  const rest = ({ asked, credentialId }: Asking, version: number | null, forMs: number | null): Effect.Effect<void> =>
    asked ? Effect.void : Effect.ignore(store.rest(credentialId, version, forMs))

  // What nobody waits for takes little of the thread, of the connections and of a tenant's groups at a time: who
  // reads a secret meanwhile would wait behind all of it at each step of its own.
  const atWork = new AtWork(atWorkMax)
  let waiting = 0
  const leave = ({ place }: Job) => Effect.sync(() => atWork.leave(place))
  const comeBack = ({ place }: Job) => atWork.enter(place)
  const inTurn = <A, E>(job: Job, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        waiting++
        return Effect.ensuring(
          comeBack(job),
          Effect.sync(() => waiting--)
        )
      }),
      () => work,
      () => leave(job)
    )
  /** What waits for another system. */
  const away = <A, E>(job: Job, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      leave(job),
      () => work,
      () => comeBack(job)
    )

  /** By the clock that only goes on. */
  const elapsedMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

  const { openText, settleOldest, settleOwn, settling } = yield* StoredAnswers.make(describeCache, timing)

  /** What is held. Nobody else tells where it cannot be opened. */
  const openHeld = (tenantId: string, version: CredentialVersion): Effect.Effect<string, ChangeError> =>
    Effect.tapErrorTag(openText(tenantId, version), "RowChanged", (error) => tellChanged(tenantId, error, changedRows))

  // ---- what is known
  const standingOf = ({ credentialId, tenantId }: Asking) =>
    Effect.mapError(store.standing(tenantId, credentialId), databaseFailed)

  const knownOf = Effect.fnUntraced(function* (
    { credentialId, tenantId }: Asking,
    credential: Credential
  ): Effect.fn.Return<Known, ChangeError> {
    const { refresh } = credential
    const parsed = parseRotation(credential.type, credential.rotation)
    if (refresh === undefined || Result.isFailure(parsed) || parsed.success === null) {
      return yield* new errors.RefreshNotConfigured({ credentialId })
    }
    const known = yield* providers.find(tenantId, refresh.provider, refresh.own)
    if (known === undefined) return yield* new errors.ProviderFailed({ reason: "unknown", retryAfterMs: null })
    const provider = providerFor(known.provider, parsed.success)
    const route = providers.routeOf(known, refresh.lane, parsed.success.params)
    const { lane, queue } = route
    const setup = { provider, rotation: parsed.success, lane, queue, chance: yield* Random.next }
    return { known, provider, rotation: parsed.success, setup, route }
  })

  // ---- what is answered
  /** A secret that was stored by hand meanwhile wins: it is what there is to hand out, and it is new. */
  const endedBy = (settled: Extract<commands.Settled, { readonly _tag: "Settled" }>, now: number): Ended =>
    settled.placement !== "none" && !broughtNothing(settled.refresh)
      ? { _tag: "Refreshed", version: settled.credential.secretVersion }
      : failed(whyNot(settled.credential, settled.refresh, now))

  /** What that term brought, or something newer, is handed out. */
  const has = (refresh: Refresh, term: number): boolean =>
    refresh.holding.current.term >= term && !broughtNothing(refresh)

  const whyNot = ({ credentialId }: Credential, refresh: Refresh, now: number): ChangeError => {
    if (refresh.grant.isFinal) return new errors.ReconnectNeeded({ credentialId })
    if (refresh.grant.doubtSince !== null) return new errors.RefreshInDoubt({ credentialId })
    const { nextAttemptAt } = refresh.grant
    return new errors.ProviderFailed({
      reason: refresh.lastError?.reason ?? "unknown",
      retryAfterMs: nextAttemptAt === null ? null : Math.max(0, nextAttemptAt - now)
    })
  }

  // ---- exchange
  /** Kept, whatever it takes: a database that is away comes back, and a bug on the way to it is no reason to let go. */
  const keepAnswer = (tenantId: string, answer: CredentialVersion): Effect.Effect<boolean> =>
    Effect.catchCause(store.putAnswer(tenantId, answer), (cause) =>
      Cause.hasDies(cause)
        ? Effect.andThen(
            Effect.logError("an answer of a provider could not be stored, and is tried again", cause),
            Effect.andThen(Effect.sleep(lookAgainAfterBug), keepAnswer(tenantId, answer))
          )
        : Effect.andThen(Effect.sleep(lookEvery), keepAnswer(tenantId, answer))
    )

  /** Where nothing of a claim began. While the database is away it is tried again, and nobody waits for that. */
  const giveBack = (
    job: Job,
    known: Known,
    holder: string,
    term: () => number | null,
    tries = giveBackTries
  ): Effect.Effect<void> => {
    const { credentialId, tenantId } = job
    const request = { credentialId, provider: known.provider, holder, term }
    return Effect.matchCauseEffect(actors.ask(tenantId, commands.giveBack(request, job.caller)), {
      onSuccess: (given) => (given ? Effect.asVoid(Effect.forkDetach(describeCache.changed(tenantId))) : Effect.void),
      onFailure: (cause) =>
        isAway(cause) && tries > 1
          ? Effect.sync(() => {
              fork(Effect.delay(giveBack(job, known, holder, term, tries - 1), giveBackEvery))
            })
          : Effect.void
    })
  }

  /** From the claim to the stored answer. Null: the exchange did not begin, or was cut before anything was spent. */
  const spend = Effect.fnUntraced(function* (
    job: Job,
    known: Known,
    turn: HeldTurn,
    claimed: Extract<commands.Claimed, { readonly _tag: "Claimed" }>,
    seal: (version: number, text: string) => { readonly keyId: string; readonly sealed: Uint8Array },
    begins: Effect.Effect<void>,
    isCut: Effect.Effect<void>
  ): Effect.fn.Return<Spent | null, ChangeError> {
    const { claim, credential, spends, version } = claimed
    const secret = JSON.parse(yield* openHeld(job.tenantId, version)) as Secret
    const lastLook = Effect.gen(function* () {
      const standing = yield* standingOf(job)
      const refresh = standing?.credential.refresh
      if (standing === undefined || refresh === undefined || standing.credential.state === "revoked") return null
      const stands = { claim, state: refresh.grant, holding: refresh.holding, now: standing.now }
      if (!Life.mayBegin({ ...stands, unsettled: standing.versions.some(isAnswer) })) return null
      return (yield* mayBeginNow(job, turn, known)) ? standing : null
    })
    const standing = yield* lastLook
    if (standing === null) return null
    const { provider, rotation } = known
    const again = Effect.orElseSucceed(
      Effect.map(lastLook, (seen) => seen !== null),
      () => false
    )
    const asking = { known: known.known, provider, rotation, secret, scopes: credential.scopes, guard, again }
    const done = yield* Effect.andThen(begins, exchange(asking))
    const outcome = done === null ? "cut" : done.outcome._tag.toLowerCase()
    yield* Metric.update(Metric.withAttributes(exchanges, { outcome }), 1)
    if (done === null) return yield* Effect.as(isCut, null)
    const kept: Kept = {
      term: claim.term,
      spends: claim.spends,
      spent: spends.grant,
      claimedAt: claim.at,
      secret,
      provider,
      own: credential.refresh?.own === true,
      ...done
    }
    const place = answerVersionBase + claim.term
    const answer: CredentialVersion = {
      credentialId: job.credentialId,
      version: place,
      state: "answer",
      ...seal(place, JSON.stringify(kept)),
      fingerprints: {},
      expiresAt: null,
      validUntil: null,
      reason: null,
      createdAt: standing.now,
      createdBy: job.caller.principal
    }
    return (yield* keepAnswer(job.tenantId, answer)) ? { kept, standing } : null
  })

  // ---- one refresh
  /** Another replica is at it: waits until that is over, and says what came of it. Null: it did not begin. */
  const awaitOther = Effect.fnUntraced(function* (job: Job, term: number): Effect.fn.Return<Ended | null, ChangeError> {
    for (let look = 0; look < looksMax; look++) {
      yield* Effect.sleep(lookEvery)
      const { credentialId, tenantId } = job
      const standing = yield* Effect.mapError(store.standing(tenantId, credentialId), databaseFailedMeanwhile)
      const refresh = standing?.credential.refresh
      if (standing === undefined) return failed(new errors.CredentialNotFound({ credentialId }))
      if (refresh === undefined) return failed(new errors.RefreshNotConfigured({ credentialId }))
      if (refresh.grant.claim?.term === term) continue
      if (Life.wasGivenBack(refresh.grant, term)) return null
      return has(refresh, term)
        ? { _tag: "Refreshed", version: standing.credential.secretVersion }
        : failed(whyNot(standing.credential, refresh, standing.now))
    }
    return failed(new errors.RefreshPending({ credentialId: job.credentialId }))
  })

  /** Null: not now, and it comes again by itself. */
  const takeTurn = Effect.fnUntraced(function* (
    job: Job,
    { provider, route }: Known,
    passes: boolean
  ): Effect.fn.Return<HeldTurn | null, ChangeError> {
    let waited = 0
    while (true) {
      const from = yield* elapsedMs
      const turn = yield* Effect.mapError(
        store.takeTurn({
          ...route,
          ratePerMinute: provider.rate_per_minute,
          parallel: provider.parallel,
          holdMs: timing.claimMs,
          passes
        }),
        databaseFailed
      )
      if (turn._tag === "Taken") return { id: turn.turnId, until: from + timing.claimMs }
      const { retryAfterMs } = turn
      if (!job.asked) {
        yield* Effect.ignore(store.putBack(job.credentialId, Math.min(retryAfterMs, pickedMs - 1)))
        return null
      }
      if (turn._tag === "Open") {
        const reason = turn.of === "client" ? "invalid_client" : "provider_down"
        return yield* new errors.ProviderFailed({ reason, retryAfterMs })
      }
      if (waited + retryAfterMs > turnWaitMs) {
        return yield* new errors.ProviderFailed({ reason: "rate_limited", retryAfterMs })
      }
      waited += retryAfterMs
      yield* Effect.sleep(Duration.millis(retryAfterMs))
    }
  })

  /**
   * Whether a request that begins now ends within its turn: where it might not, the turn is made longer, unless it is
   * over, and another one's by now.
   */
  const reaches = ({ id, until }: HeldTurn, { route }: Known): Effect.Effect<boolean> => {
    const lastsMs = exchangeMs + givenUpMs
    return Effect.flatMap(elapsedMs, (now) =>
      now + lastsMs <= until
        ? Effect.succeed(true)
        : Effect.orElseSucceed(store.keepTurn(id, route, lastsMs), () => false)
    )
  }

  /** Whether a request may begin now: within its turn, and in no stop. */
  const mayBeginNow = Effect.fnUntraced(function* (job: Job, turn: HeldTurn, known: Known) {
    return (yield* reaches(turn, known)) && !(yield* stopsBefore(job))
  })

  /** What the provider's answer says of the provider, and of the client: for the circuits alone. */
  const resultOf = (kept: Kept | null, provider: Provider): TurnResult => {
    if (kept === null) return { _tag: "none" }
    const { outcome } = kept
    if (outcome._tag === "Failure") {
      const reason = reasonOfFailure(outcome.reason)
      return { _tag: reason === "blocked_url" ? "none" : reason === "invalid_client" ? "client" : "provider" }
    }
    const { raw } = outcome
    const answer = readAnswer({ provider, raw, sent: kept.sent, defaultLifeMs: null })
    const read = answer.kind === "granted" ? (answer.failure ?? answer) : answer
    if (read.kind === "granted" || read.kind === "refused") return { _tag: "ok" }
    if (read.kind === "client") return { _tag: "client" }
    if (read.reason !== "rate_limited") return { _tag: "provider" }
    return {
      _tag: "limited",
      retryAfterMs: read.retryAt === null ? limitedMs : Math.max(0, read.retryAt - raw.receivedAt)
    }
  }

  const tellCircuit = (provider: string, { forMs, of, to }: CircuitChange) =>
    Effect.andThen(
      Metric.update(Metric.withAttributes(circuitChanges, { of, to }), 1),
      to === "open"
        ? Effect.logWarning(`a ${of}'s circuit opened: its refreshes wait`, { provider, forMs })
        : Effect.logInfo(`a ${of}'s circuit is closed again`, { provider })
    )

  const endTurn = ({ id }: HeldTurn, route: Route, result: TurnResult) =>
    Effect.flatMap(Random.next, (chance) => store.endTurn(id, route, result, chance)).pipe(
      Effect.flatMap((changes) => Effect.forEach(changes, (change) => tellCircuit(route.provider, change))),
      Effect.ignore
    )

  // ---- beside refreshes
  /** A look at a token that never expires; nothing is spent by it. */
  const watch = Effect.fnUntraced(function* (
    job: Job,
    { credential, serviceActive, versions }: Standing,
    known: Known
  ): Effect.fn.Return<Ended, ChangeError> {
    const { credentialId, secretVersion } = credential
    yield* believeCredential(credential, keyring, changedRows)
    const settle = Effect.fnUntraced(function* (outcome: HealthOutcome): Effect.fn.Return<Ended, ChangeError> {
      const settling = { credentialId, secretVersion, provider: known.provider, chance: yield* Random.next }
      yield* actors.ask(job.tenantId, settleHealth({ ...settling, outcome }, events, job.caller))
      yield* Effect.forkDetach(describeCache.changed(job.tenantId))
      return idle
    })
    if (!serviceActive || known.provider.health === null) return yield* settle({ _tag: "Paused" })
    const version = versions.find((one) => one.version === secretVersion)
    if (version === undefined) return idle
    const turn = yield* takeTurn(job, known, false)
    if (turn === null) return idle
    const seen = yield* Effect.onExit(
      Effect.gen(function* () {
        const text = yield* openHeld(job.tenantId, version)
        if (!(yield* mayBeginNow(job, turn, known))) return null
        return yield* away(job, HealthCheck.look({ ...known, secret: JSON.parse(text) as Secret, guard }))
      }),
      (exit) => endTurn(turn, known.route, Exit.isSuccess(exit) && exit.value !== null ? exit.value.result : noneAsked)
    )
    if (seen === null) return yield* putOff(job)
    return yield* settle(seen.outcome)
  })

  /**
   * All that its provider would still take: what it answered, and what is held where none of that came of it. What cannot be
   * opened was changed, or put there, by somebody who writes to the database, and keeps nothing else alive.
   */
  const secretsToRevoke = Effect.fnUntraced(function* (job: Job, known: Known, standing: Standing, refresh: Refresh) {
    const { credential, versions } = standing
    const found: Array<{ readonly secret: Secret; readonly spent: string | null }> = []
    const unread: Array<number> = []
    const opened = (version: CredentialVersion) =>
      Effect.catchTag(openText(job.tenantId, version), "RowChanged", () => {
        unread.push(version.version)
        return Effect.succeed(null)
      })
    for (const answer of versions.filter(isAnswer)) {
      const text = yield* opened(answer)
      if (text === null) continue
      const kept = JSON.parse(text) as Kept
      // Another provider's is no business of the one that is named.
      const giver = StoredAnswers.giverOf(kept)
      if (giver !== null && !Life.isSameProvider(giver, refresh)) continue
      const { granted } = yield* settling(job, known, refresh, kept, standing)
      if (granted !== null) found.push({ secret: granted.secret, spent: kept.spent })
    }
    const held = Life.spendable(refresh.holding)
    const wanted = held?.version ?? credential.secretVersion
    const own = versions.find(({ version }) => version === revocationVersion || version === wanted)
    if (own !== undefined && !found.some(({ spent }) => spent === held?.grant)) {
      const text = yield* opened(own)
      if (text !== null) found.push({ secret: JSON.parse(text) as Secret, spent: null })
    }
    if (unread.length > 0) yield* tellUnread(job.tenantId, job.credentialId, unread, "not revoked")
    return { secrets: found.map(({ secret }) => secret), isWhole: unread.length === 0 }
  })

  /** Once more at the provider, what was revoked here. */
  const revoking = Effect.fnUntraced(function* (job: Job): Effect.fn.Return<RevokedAtProvider, ChangeError> {
    const standing = yield* standingOf(job)
    const refresh = standing?.credential.refresh
    if (standing === undefined || refresh?.atProvider === undefined) return "not_possible"
    if (refresh.atProvider !== "pending") return refresh.atProvider === "revoked" ? "revoked" : "failed"
    const { credential, versions } = standing
    yield* believeCredential(credential, keyring, changedRows)
    // Who has claimed it may still come with an answer, and with a grant in it that nobody has revoked.
    const { claim, open } = refresh.grant
    const mayCome = (claim === null ? open : [...open, claim]).some(
      ({ at, term }) =>
        standing.now < at + timing.doubtMs && versions.every(({ version }) => version !== answerVersionBase + term)
    )
    if (mayCome) return "failed"
    const settled = (failure: Parameters<typeof settleRevocation>[0]["failure"]) =>
      Effect.flatMap(Random.next, (chance) =>
        actors.ask(job.tenantId, settleRevocation({ credentialId: job.credentialId, chance, failure }, job.caller))
      )
    // Also one whose provider is gone, or whose secret does not open, has its week and no more.
    const found = yield* Effect.result(knownOf(job, credential))
    const url = Result.isSuccess(found) ? found.success.known.provider.revoke_url : null
    if (Result.isFailure(found) || versions.length === 0 || url === null) {
      yield* settled({ reason: Result.isFailure(found) ? "unknown" : "blocked_url", detail: "", httpStatus: null })
      return "failed"
    }
    const known = found.success
    const turn = yield* takeTurn(job, known, job.insists)
    if (turn === null) return "failed"
    const came = yield* Effect.onExit(
      Effect.flatMap(secretsToRevoke(job, known, standing, refresh), ({ isWhole, secrets }) =>
        Effect.gen(function* () {
          let came: Revoked = secrets.length === 0 ? nothingToRevoke : doneAtProvider
          const again = mayBeginNow(job, turn, known)
          for (const secret of secrets) {
            // One that is refused keeps none of the others alive; a provider that is down, or a client's fault, does.
            if (came.failure !== null && came.result._tag !== "ok") break
            if (!(yield* again)) return null
            const next: Revoked | null = yield* away(job, revokeAt({ ...known, secret, guard, again }, url))
            if (next === null) return null
            came = { result: next.result, failure: came.failure ?? next.failure }
          }
          // Of what cannot be opened the provider does not know yet that it is revoked.
          return came.failure === null && !isWhole ? { ...came, failure: nothingToRevoke.failure } : came
        })
      ),
      (exit) => endTurn(turn, known.route, Exit.isSuccess(exit) && exit.value !== null ? exit.value.result : noneAsked)
    )
    if (came === null) {
      yield* putOff(job)
      return "failed"
    }
    return (yield* settled(came.failure)) === "revoked" ? "revoked" : "failed"
  })

  const attempt = Effect.fnUntraced(function* (job: Job, course: Course): Effect.fn.Return<Ended, ChangeError> {
    const { asked, credentialId, tenantId } = job
    let mine: number | null = null
    for (let step = 0; step < stepsMax; step++) {
      const standing = yield* standingOf(job)
      if (standing === undefined) return failed(new errors.CredentialNotFound({ credentialId }))
      const { credential, now } = standing
      course.version = credential.version
      // Where it is asked, and by which rules, is decided by this reading, though the claim makes one of its own.
      yield* believeCredential(credential, keyring, changedRows)
      const stops = yield* stopsBefore(job)
      if (credential.rotating !== undefined) {
        if (stops) return yield* putOff(job)
        return yield* away(job, rotator.run({ ...job, stops: stopsBefore(job) }))
      }
      if (credential.refresh === undefined) {
        yield* rest(job, credential.version, null)
        return failed(new errors.RefreshNotConfigured({ credentialId }))
      }
      if (credential.state === "revoked") {
        if (asked) return failed(new errors.CredentialRevoked({ credentialId }))
        if (credential.refresh.atProvider !== "pending")
          return yield* Effect.as(rest(job, credential.version, null), idle)
        if (stops) return yield* putOff(job)
        yield* revoking(job)
        return idle
      }
      const known = yield* knownOf(job, credential)
      const { claim } = credential.refresh.grant
      if (standing.versions.some(isAnswer)) {
        const settled = yield* settleOldest(job, standing, known)
        if (settled !== undefined && settled.refresh.grant.term === mine) return endedBy(settled, now)
        continue
      }
      if (mine !== null) {
        // Our own answer was settled by somebody else.
        return has(credential.refresh, mine)
          ? { _tag: "Refreshed", version: credential.secretVersion }
          : failed(whyNot(credential, credential.refresh, now))
      }
      if (claim !== null && now < claim.until) {
        const ended = asked ? yield* awaitOther(job, claim.term) : idle
        if (ended === null) continue
        return ended
      }
      if (stops) return yield* putOff(job)
      if (!asked && !refreshIsDue(credential.refresh, now) && (credential.refresh.health?.nextAt ?? now + 1) <= now) {
        return yield* watch(job, standing, known)
      }
      const sealer = yield* Effect.mapError(tenantKeys.sealerFor(tenantId), keyFailed)
      const { graceUntil } = credential.refresh
      const hurries = typeof graceUntil === "number" && now < graceUntil
      const turn = yield* takeTurn(job, known, job.insists || hurries)
      if (turn === null) return idle
      // Of this claim alone: its term is another one's too, where its commit did not come about.
      const holder = `${process}.${++claimCount}`
      const request = {
        credentialId,
        provider: known.provider,
        own: credential.refresh.own === true,
        timing,
        holder,
        asked,
        expectedVersion: job.expectedVersion
      }
      let decided: number | null = null
      const claiming = commands.claim(request, events, job.caller, ({ term }) => {
        decided = term
      })
      const claimed = yield* Effect.onError(actors.ask(tenantId, claiming), (cause) =>
        Effect.andThen(
          // Committed all the same, or to be committed yet: what gives it back is decided behind it.
          Effect.sync(() => {
            if (isPerhapsDone(cause)) fork(giveBack(job, known, holder, () => decided))
          }),
          endTurn(turn, known.route, noneAsked)
        )
      )
      if (claimed._tag !== "Claimed") yield* endTurn(turn, known.route, noneAsked)
      switch (claimed._tag) {
        case "Settle":
          continue
        case "Busy": {
          const ended = asked ? yield* awaitOther(job, claimed.term) : idle
          if (ended === null) continue
          return ended
        }
        case "NotDue":
          return idle
        case "Paused":
          return asked ? failed(new errors.ServiceInactive({ serviceName: credential.serviceName })) : idle
        case "Wait": {
          if (claimed.changed) yield* Effect.forkDetach(describeCache.changed(tenantId))
          return failed(
            claimed.inDoubt ? new errors.RefreshInDoubt({ credentialId }) : whyNot(credential, credential.refresh, now)
          )
        }
        case "ReconnectNeeded":
          if (claimed.changed) yield* Effect.forkDetach(describeCache.changed(tenantId))
          return failed(new errors.ReconnectNeeded({ credentialId }))
        case "Claimed": {
          const seal = (version: number, text: string) => {
            const plaintext = encoder.encode(text)
            const made = sealer.seal({ credentialId, version, purpose: secretPurpose }, plaintext)
            plaintext.fill(0)
            return made
          }
          let begun = false
          const begins = Effect.suspend(() => {
            begun = true
            return leave(job)
          })
          // As if it had not begun.
          const isCut = Effect.suspend(() => {
            begun = false
            return comeBack(job)
          })
          const spent = yield* Effect.onExit(spend(job, known, turn, claimed, seal, begins, isCut), (exit) =>
            Effect.andThen(
              Effect.suspend(() => (begun ? comeBack(job) : giveBack(job, known, holder, () => claimed.claim.term))),
              endTurn(
                turn,
                known.route,
                resultOf(Exit.isSuccess(exit) ? (exit.value?.kept ?? null) : null, known.provider)
              )
            )
          )
          if (spent === null) return failed(new errors.RefreshPending({ credentialId }))
          mine = claimed.claim.term
          course.isKept = true
          const settled = yield* settleOwn(job, spent, known)
          if (settled !== undefined) return endedBy(settled, now)
        }
      }
    }
    return failed(new errors.RefreshPending({ credentialId }))
  })

  // ---- flights
  const flights = new Map<string, { readonly ended: Deferred.Deferred<Ended>; readonly job: Job }>()

  const whole = (job: Job): Effect.Effect<Ended> => {
    const course: Course = { isKept: false, version: null }
    return Effect.matchCauseEffect(inTurn(job, attempt(job, course)), {
      onSuccess: (ended) => Effect.succeed(ended),
      onFailure: (cause) => {
        if (course.isKept && (isAway(cause) || Cause.hasDies(cause))) settleSoon(job)
        const error = cause.reasons.find((reason) => reason._tag === "Fail")?.error
        if (error !== undefined) {
          const ended = failed(course.isKept ? failedBehind(error) : error)
          if (error._tag !== "RowChanged" || job.asked) return Effect.succeed(ended)
          // One that was changed is seldom alone.
          const others = Effect.flatMap(stopsBefore(job), (stops) => (stops ? Effect.void : sift))
          return Effect.andThen(rest(job, course.version, restMs), () => {
            fork(others)
            return Effect.succeed(ended)
          })
        }
        const died = cause.reasons.find((reason) => reason._tag === "Die")
        const { credentialId, tenantId } = job
        return Effect.logError("a refresh died", cause).pipe(
          Effect.annotateLogs({ tenantId, credentialId }),
          deaths.tell,
          Effect.andThen(course.version === null ? rest(job, null, unreadRestMs) : Effect.void),
          Effect.as(
            died === undefined
              ? failed(new errors.Unavailable({ part: "refresh", committed: null }))
              : ({ _tag: "Died", defect: died.defect } as const)
          )
        )
      }
    })
  }

  /**
   * An answer of this replica's own is stored, and was not settled: tried again long before its claim runs out, less and
   * less often, and each time as one of those that nobody waits for, so that many are no storm. A stop waits for it: once that
   * is begun it is tried at once, and then with the shortest pause, as long as something is away and nothing else in its way.
   */
  const settleSoon = ({ credentialId, tenantId }: Asking, afterMs = settleAgainMs): void => {
    if (afterMs > timing.claimMs) return
    const isLeft = Effect.match(store.standing(tenantId, credentialId), {
      onFailure: () => true,
      onSuccess: (standing) => standing?.versions.some(isAnswer) === true
    })
    const again = Effect.gen(function* () {
      const pause = Effect.sleep(Duration.millis(afterMs * (1 - 0.2 * (yield* Random.next))))
      yield* (yield* shutdown.isRequested) ? pause : Effect.raceFirst(pause, shutdown.requested)
      if (!(yield* isLeft)) return
      const asking = ofNobody(tenantId, credentialId)
      const ended = yield* join(asking)
      if (!(yield* shutdown.isRequested)) return settleSoon(asking, afterMs * 2)
      if (ended._tag === "Failed" && isAway(Cause.fail(ended.error))) settleSoon(asking)
    })
    fork(again)
  }

  /** Joins the one that is under way here, or starts one on a fibre of its own. */
  const join = (asking: Asking): Effect.Effect<Ended> =>
    Effect.suspend(() => {
      const key = `${asking.tenantId}/${asking.credentialId}`
      const under = flights.get(key)
      if (under !== undefined) {
        // What nobody waited for until now need not stand in a line any more.
        if (asking.asked) atWork.hurry(under.job.place)
        const awaited = Deferred.await(under.ended)
        return Effect.flatMap(awaited, (ended) => {
          // What nobody waited for may have been put off; what another one expected is not what this one does.
          const isPutOff = asking.asked && !under.job.asked && ended._tag === "Idle"
          const isOthers = ended._tag === "Failed" && ended.error._tag === "VersionConflict"
          return isPutOff || (isOthers && asking.expectedVersion === null) ? join(asking) : Effect.succeed(ended)
        })
      }
      const ended = Deferred.makeUnsafe<Ended>()
      const job: Job = { ...asking, place: atWork.place(asking.asked) }
      flights.set(key, { ended, job })
      fork(
        Effect.flatMap(whole(job), (result) =>
          Effect.suspend(() => {
            flights.delete(key)
            return Deferred.succeed(ended, result)
          })
        ).pipe(Effect.asVoid, Effect.uninterruptible)
      )
      return Deferred.await(ended)
    })

  /** What is no one's to wait for, an exchange under way or not. */
  const mayAsk = Effect.fnUntraced(function* (job: Asking): Effect.fn.Return<void, ChangeError> {
    const { credentialId, expectedVersion } = job
    const credential = (yield* standingOf(job))?.credential
    if (credential === undefined) return
    if (expectedVersion !== null && expectedVersion !== credential.version) {
      return yield* new errors.VersionConflict({ expectedVersion, actualVersion: credential.version })
    }
    if (credential.state === "revoked") return yield* new errors.CredentialRevoked({ credentialId })
  })

  const answerFor = (job: Asking): Effect.Effect<Ended> =>
    Effect.matchEffect(mayAsk(job), { onSuccess: () => join(job), onFailure: (error) => Effect.succeed(failed(error)) })

  /** The answer, kept for who asks again with the same key. What only says "not yet" is no answer. */
  const keepFor = ({ credentialId, tenantId }: Asking, ended: Ended, caller: Caller): Effect.Effect<Ended> => {
    const answer =
      ended._tag === "Refreshed"
        ? Result.succeed({ credentialId, version: ended.version })
        : ended._tag === "Failed" && isFirstAnswer(ended.error)
          ? Result.fail(ended.error)
          : null
    if (answer === null) return Effect.succeed(ended)
    return Effect.match(actors.ask(tenantId, commands.keepAnswer(answer, caller)), {
      onSuccess: ({ version }): Ended => ({ _tag: "Refreshed", version }),
      // One that could not be kept is true all the same.
      onFailure: (error): Ended => (isFirstAnswer(error) ? failed(error) : ended)
    })
  }

  /** What its key was answered before, or a refresh whose answer is kept, whether or not anybody waits so long. */
  const once = (job: Asking, caller: Caller): Effect.Effect<Ended> =>
    Effect.matchEffect(actors.ask(job.tenantId, commands.answerBefore(caller)), {
      onFailure: (error) => Effect.succeed(failed(error)),
      onSuccess: (before) => {
        if (before !== null) return Effect.succeed<Ended>({ _tag: "Refreshed", version: before.version })
        const ended = Deferred.makeUnsafe<Ended>()
        const run = Effect.flatMap(answerFor(job), (result) => keepFor(job, result, caller))
        fork(Effect.asVoid(Deferred.into(run, ended)))
        return Deferred.await(ended)
      }
    })

  /** Whether an exchange could spend the grant. Where the provider is not known, it could. */
  const maySpend = (job: Asking, credential: Credential) =>
    Effect.map(
      Effect.result(knownOf(job, credential)),
      (found) => Result.isFailure(found) || Life.spends(rulesOf(found.success.provider))
    )

  /**
   * Why who asked waits no longer: what has become of the credential meanwhile. Else the contract (10.3) knows two for a
   * refresh: the grant may have been spent and no answer is stored, or nothing is lost by asking again. A rotator takes
   * its time.
   */
  const whyNotYet = Effect.fnUntraced(function* (job: Asking): Effect.fn.Return<ChangeError, ChangeError> {
    const { credentialId, tenantId } = job
    const standing = yield* Effect.mapError(store.standing(tenantId, credentialId), databaseFailedMeanwhile)
    const credential = standing?.credential
    if (credential === undefined) return new errors.CredentialNotFound({ credentialId })
    if (credential.state === "revoked") return new errors.CredentialRevoked({ credentialId })
    if (credential.rotating !== undefined) return new errors.RefreshPending({ credentialId })
    if (credential.refresh === undefined) return new errors.RefreshNotConfigured({ credentialId })
    const { grant } = credential.refresh
    if (grant.isFinal) return new errors.ReconnectNeeded({ credentialId })
    const mayBeSpent = grant.doubtSince !== null || (grant.claim !== null && (yield* maySpend(job, credential)))
    return mayBeSpent
      ? new errors.RefreshInDoubt({ credentialId })
      : new errors.Unavailable({ part: "refresh", committed: null })
  })

  return Refresher.of({
    refresh: Effect.fnUntraced(function* (tenantId, credentialId, caller, overlapMs = null, expectedVersion = null) {
      const pending = failed(new errors.RefreshPending({ credentialId }))
      const asking = {
        caller: { ...caller, idempotency: null },
        asked: true,
        insists: true,
        overlapMs,
        expectedVersion
      }
      const job: Asking = { tenantId, credentialId, ...asking }
      const answered = caller.idempotency === null ? answerFor(job) : once(job, caller)
      const ended = yield* Effect.timeoutOrElse(answered, {
        duration: rotateWait,
        orElse: () => Effect.succeed(pending)
      })
      if (ended._tag === "Refreshed") return { credentialId, version: ended.version }
      if (ended._tag === "Died") return yield* Effect.die(ended.defect)
      if (ended._tag === "Failed" && ended.error._tag !== "RefreshPending") return yield* ended.error
      return yield* yield* whyNotYet(job)
    }),
    settled: (tenantId, credentialId, caller) =>
      Effect.asVoid(
        Effect.timeoutOption(
          join({
            tenantId,
            credentialId,
            caller: { ...caller, idempotency: null },
            asked: true,
            insists: false,
            overlapMs: null,
            expectedVersion: null
          }),
          readWait
        )
      ),
    revoke: (tenantId, credentialId, caller) => {
      const job: Job = {
        tenantId,
        credentialId,
        place: atWork.place(true),
        caller: { ...caller, idempotency: null },
        asked: true,
        insists: true,
        overlapMs: null,
        expectedVersion: null
      }
      // What does not end in time, or fails here, is tried again when it is due.
      return Effect.timeoutOption(
        Effect.orElseSucceed(revoking(job), () => "failed" as const),
        readWait
      ).pipe(Effect.map(Option.getOrElse(() => "failed" as const)))
    },
    due: (tenantId, credentialId) => Effect.asVoid(join(ofNobody(tenantId, credentialId))),
    waitingUnsafe: () => waiting
  })
})

/** Needs the parts of `actors/credentials`, the tenants' actors, keys and stores. */
export const layer = Layer.effect(Refresher, make)
