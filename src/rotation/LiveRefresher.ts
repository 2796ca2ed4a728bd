/**
 * `Refresher`: who asks for a refresh, or for what comes of one, and how long each waits.
 *
 * Promises:
 * - an exchange runs on a fibre that nobody's going away ends, not the caller's and not an orderly stop's;
 * - who asks while a refresh is under way, at this replica or another, gets what comes of that one;
 * - who asks again with the same key is answered what was answered before.
 * One refresh is `RefreshAttempt.ts`, by the order of its steps; what is under way here `RefreshFlights.ts`. What remains, and
 * what a person does about it: docs/refresh.md.
 */
import { Deferred, Duration, Effect, Layer, Option, Result } from "effect"
import { CredentialsConfig } from "../actors/credentials/CredentialsConfig.ts"
import * as DescribeCache from "../actors/credentials/DescribeCache.ts"
import * as commands from "../actors/credentials/RefreshCommands.ts"
import { Refresher } from "../actors/credentials/Refresher.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../actors/tenant/Tenants.ts"
import type { Credential } from "../domain/Credential.ts"
import * as errors from "../domain/errors.ts"
import type { GrantTiming } from "../domain/Grant.ts"
import * as Life from "../domain/GrantLife.ts"
import { rulesOf } from "../domain/Refresh.ts"
import * as Seldom from "../observability/Seldom.ts"
import { RefreshStore } from "../store/RefreshStore.ts"
import { databaseFailedMeanwhile, type Ended, failed, isFirstAnswer } from "./Ended.ts"
import * as GrantExchange from "./GrantExchange.ts"
import * as HealthWatch from "./HealthWatch.ts"
import * as HeldTurns from "./HeldTurns.ts"
import * as RefreshAttempt from "./RefreshAttempt.ts"
import { RefreshConfig } from "./RefreshConfig.ts"
import * as RefreshFlights from "./RefreshFlights.ts"
import { type Asking, ofNobody } from "./RefreshJob.ts"
import * as RefreshReading from "./RefreshReading.ts"
import * as RefreshWork from "./RefreshWork.ts"
import * as RevokedGrants from "./RevokedGrants.ts"
import * as StoredAnswers from "./StoredAnswers.ts"

/** Who asks waits so long at most. */
const rotateWait = Duration.seconds(18)
const readWait = Duration.seconds(10)

const make = Effect.gen(function* () {
  const config = yield* RefreshConfig
  const { providerHosts } = yield* CredentialsConfig
  const actors = yield* TenantActors
  const store = yield* RefreshStore
  const describeCache = yield* DescribeCache.make
  const changedRows = yield* Seldom.make
  const timing: GrantTiming = { claimMs: Duration.toMillis(config.claim), doubtMs: Duration.toMillis(config.doubt) }
  const exchangeMs = Duration.toMillis(config.exchange)
  const guard = { allowedHosts: providerHosts, timeoutMs: exchangeMs }
  const work = yield* RefreshWork.make
  const reading = yield* RefreshReading.make(changedRows)
  const turns = yield* HeldTurns.make(work, { holdMs: timing.claimMs, exchangeMs })
  const answers = yield* StoredAnswers.make(describeCache, timing)
  const parts = { describeCache, timing, guard, changedRows, work, reading, turns, answers }
  const exchange = yield* GrantExchange.make(parts)
  const watch = yield* HealthWatch.make(parts)
  const revoking = yield* RevokedGrants.make(parts)
  const attempt = yield* RefreshAttempt.make({ ...parts, exchange, watch, revoking })
  const { join } = yield* RefreshFlights.make(timing, work, attempt, changedRows)
  const { fork } = work

  /** What is no one's to wait for, an exchange under way or not. */
  const mayAsk = Effect.fnUntraced(function* (job: Asking): Effect.fn.Return<void, ChangeError> {
    const { credentialId, expectedVersion } = job
    const credential = (yield* reading.standingOf(job))?.credential
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
      Effect.result(reading.knownOf(job, credential)),
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
      const job = {
        tenantId,
        credentialId,
        place: work.place(true),
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
    waitingUnsafe: work.waitingUnsafe
  })
})

/** Needs the parts of `actors/credentials`, the tenants' actors, keys and stores. */
export const layer = Layer.effect(Refresher, make)
