/**
 * One refresh of one credential, from its claim to what came of it.
 *
 *   turn at the provider ──> claim (durable) ──> look once more ──> exchange ──> answer sealed and durable ──> settle
 *                               └────── no exchange: the claim is given back
 *
 * Promises:
 * - what was stored and not settled, by whoever is dead since, is settled before anything else is done;
 * - a claim whose exchange did not begin, for whatever reason, is given back, so that nobody waits for its end, and so is
 *   one whose client was refused before its next secret could be tried;
 * - who asks while another replica is at it gets what comes of that one.
 * How an answer is settled is `StoredAnswers.ts`, the rules are `domain/GrantLife.ts`.
 */
import { Effect, Exit } from "effect"
import { CredentialEvents } from "../actors/credentials/Events.ts"
import * as commands from "../actors/credentials/RefreshCommands.ts"
import { believeCredential } from "../actors/tenant/RowTagging.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { Keyring } from "../crypto/Keyring.ts"
import { secretPurpose, TenantKeys, type TenantSealer } from "../crypto/TenantKeys.ts"
import { isAnswer } from "../domain/Credential.ts"
import * as errors from "../domain/errors.ts"
import * as Life from "../domain/GrantLife.ts"
import { type Refresh, refreshIsDue } from "../domain/Refresh.ts"
import { Replica } from "../observability/Replica.ts"
import { RefreshStore, type Standing } from "../store/RefreshStore.ts"
import { databaseFailedMeanwhile, type Ended, endedBy, failed, has, idle, isPerhapsDone, whyNot } from "./Ended.ts"
import type { GrantExchange } from "./GrantExchange.ts"
import type { HealthWatch } from "./HealthWatch.ts"
import { type HeldTurn, noneAsked, resultOf } from "./HeldTurns.ts"
import * as LiveRotator from "./LiveRotator.ts"
import { keyFailed } from "./OpenVersion.ts"
import { lookEvery, looksMax } from "./otherReplica.ts"
import type { Job } from "./RefreshJob.ts"
import type { RefreshParts } from "./RefreshParts.ts"
import type { RevokedGrants } from "./RevokedGrants.ts"
import type { Known, Spent } from "./StoredAnswers.ts"

const stepsMax = 12
const encoder = new TextEncoder()

/** How far one came, for whoever has to say what becomes of it when it fails. */
export interface Course {
  /** What its provider answered is kept. */
  isKept: boolean
  /** Of the credential, as it was read last; null: it was not. */
  version: number | null
}

/** The credential has to be looked at anew. */
interface Again {
  readonly _tag: "Again"
}
const again: Again = { _tag: "Again" }

/** The provider was asked, and its answer is kept. */
interface Made {
  readonly _tag: "Made"
  readonly term: number
  readonly spent: Spent
}

/** What an attempt is made of. */
export interface Parts extends Omit<RefreshParts, "guard"> {
  readonly exchange: GrantExchange
  readonly watch: HealthWatch
  readonly revoking: RevokedGrants
}

export const make = Effect.fnUntraced(function* (parts: Parts) {
  const { changedRows, describeCache, revoking, timing, watch } = parts
  const { away, comeBack, fork, leave, putOff, rest, stopsBefore } = parts.work
  const { knownOf, standingOf } = parts.reading
  const { endTurn, takeTurn } = parts.turns
  const { giveBack, spend } = parts.exchange
  const { settleOldest, settleOwn } = parts.answers
  const { process } = yield* Replica
  const actors = yield* TenantActors
  const store = yield* RefreshStore
  const keyring = yield* Keyring
  const tenantKeys = yield* TenantKeys
  const events = yield* CredentialEvents
  const rotator = yield* LiveRotator.make(changedRows)
  /** Asked for, whatever came of it. */
  let claimCount = 0

  /** Another replica is at it: waits until that is over, and says what came of it. Again: it did not begin. */
  const awaitOther = Effect.fnUntraced(function* (
    job: Job,
    term: number
  ): Effect.fn.Return<Ended | Again, ChangeError> {
    for (let look = 0; look < looksMax; look++) {
      yield* Effect.sleep(lookEvery)
      const { credentialId, tenantId } = job
      const standing = yield* Effect.mapError(store.standing(tenantId, credentialId), databaseFailedMeanwhile)
      const refresh = standing?.credential.refresh
      if (standing === undefined) return failed(new errors.CredentialNotFound({ credentialId }))
      if (refresh === undefined) return failed(new errors.RefreshNotConfigured({ credentialId }))
      if (refresh.grant.claim?.term === term) continue
      if (Life.wasGivenBack(refresh.grant, term)) return again
      return has(refresh, term)
        ? { _tag: "Refreshed", version: standing.credential.secretVersion }
        : failed(whyNot(standing.credential, refresh, standing.now))
    }
    return failed(new errors.RefreshPending({ credentialId: job.credentialId }))
  })

  /** Who waits for nobody has nothing to wait for. */
  const waitFor = (job: Job, term: number): Effect.Effect<Ended | Again, ChangeError> =>
    job.asked ? awaitOther(job, term) : Effect.succeed(idle)

  /** In a turn at its provider: the claim, and what comes of it where the exchange is not another one's, or not to be now. */
  const claimAndSpend = Effect.fnUntraced(function* (
    job: Job,
    { credential, now }: Standing,
    refresh: Refresh,
    known: Known
  ): Effect.fn.Return<Ended | Again | Made, ChangeError> {
    const { asked, credentialId, tenantId } = job
    const sealer = yield* Effect.mapError(tenantKeys.sealerFor(tenantId), keyFailed)
    const { graceUntil } = refresh
    const hurries = typeof graceUntil === "number" && now < graceUntil
    const turn = yield* takeTurn(job, known, job.insists || hurries)
    if (turn === null) return idle
    // Of this claim alone: its term is another one's too, where its commit did not come about.
    const holder = `${process}.${++claimCount}`
    const request = {
      credentialId,
      provider: known.provider,
      own: refresh.own === true,
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
    if (claimed._tag === "Claimed") return yield* spendOf(job, known, turn, claimed, holder, sealer)
    yield* endTurn(turn, known.route, noneAsked)
    if ("changed" in claimed && claimed.changed) yield* Effect.forkDetach(describeCache.changed(tenantId))
    switch (claimed._tag) {
      case "Settle":
        return again
      case "Busy":
        return yield* waitFor(job, claimed.term)
      case "NotDue":
        return idle
      case "Paused":
        return asked ? failed(new errors.ServiceInactive({ serviceName: credential.serviceName })) : idle
      case "Wait":
        return failed(claimed.inDoubt ? new errors.RefreshInDoubt({ credentialId }) : whyNot(credential, refresh, now))
      case "ReconnectNeeded":
        return failed(new errors.ReconnectNeeded({ credentialId }))
    }
  })

  /** The exchange of a claim. While it waits for its provider others are at work; its turn ends with it. */
  const spendOf = Effect.fnUntraced(function* (
    job: Job,
    known: Known,
    turn: HeldTurn,
    claimed: Extract<commands.Claimed, { readonly _tag: "Claimed" }>,
    holder: string,
    sealer: TenantSealer
  ): Effect.fn.Return<Ended | Made, ChangeError> {
    const { credentialId } = job
    const { term } = claimed.claim
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
        Effect.suspend(() => (begun ? comeBack(job) : giveBack(job, known, holder, () => term))),
        endTurn(turn, known.route, resultOf(Exit.isSuccess(exit) ? (exit.value?.kept ?? null) : null, known.provider))
      )
    )
    return spent === null ? failed(new errors.RefreshPending({ credentialId })) : { _tag: "Made", term, spent }
  })

  /** What is to be done next, until there is an end. */
  return Effect.fnUntraced(function* (job: Job, course: Course): Effect.fn.Return<Ended, ChangeError> {
    const { asked, credentialId } = job
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
        if (credential.refresh.atProvider !== "pending") {
          yield* rest(job, credential.version, null)
          return idle
        }
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
        const came = yield* waitFor(job, claim.term)
        if (came._tag === "Again") continue
        return came
      }
      if (stops) return yield* putOff(job)
      if (!asked && !refreshIsDue(credential.refresh, now) && (credential.refresh.health?.nextAt ?? now + 1) <= now) {
        return yield* watch(job, standing, known)
      }
      const came = yield* claimAndSpend(job, standing, credential.refresh, known)
      if (came._tag === "Again") continue
      if (came._tag !== "Made") return came
      mine = came.term
      course.isKept = true
      const settled = yield* settleOwn(job, came.spent, known)
      if (settled !== undefined) return endedBy(settled, now)
    }
    return failed(new errors.RefreshPending({ credentialId }))
  })
})

export type Attempt = Effect.Success<ReturnType<typeof make>>
