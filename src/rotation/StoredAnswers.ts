/**
 * What is stored of exchanges, settled: a provider's answer is opened, read by its rules, and becomes what the credential
 * holds from now on, the oldest first.
 *
 * Promises: an answer is read as it is stored, but for one that this process has just put there; one that cannot be opened
 * holds up none behind it, and is told; what is settled here was settled by nobody before. When that is to be done is
 * `RefreshAttempt.ts`, what comes of it `domain/GrantLife.ts`.
 */
import { Effect, Metric, Random, Result } from "effect"
import type * as DescribeCache from "../actors/credentials/DescribeCache.ts"
import { CredentialEvents } from "../actors/credentials/Events.ts"
import type { ProviderInForce } from "../actors/credentials/Providers.ts"
import * as commands from "../actors/credentials/RefreshCommands.ts"
import * as Sealing from "../actors/credentials/Sealing.ts"
import { noteUnread } from "../actors/credentials/UnreadAnswers.ts"
import { tellUnread } from "../actors/tenant/RowTagging.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../actors/tenant/Tenants.ts"
import { Keyring } from "../crypto/Keyring.ts"
import { TenantKeys } from "../crypto/TenantKeys.ts"
import { isAnswer } from "../domain/Credential.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import * as errors from "../domain/errors.ts"
import type { GrantTiming, Named } from "../domain/Grant.ts"
import * as Life from "../domain/GrantLife.ts"
import { durationMs } from "../domain/IsoDuration.ts"
import type { Provider } from "../domain/Provider.ts"
import { readAnswer } from "../domain/ProviderAnswer.ts"
import { backOffMs, type Refresh, type Rotation } from "../domain/Refresh.ts"
import { RefreshStore, type Route, type Standing } from "../store/RefreshStore.ts"
import { type Kept, reasonOfFailure } from "./Exchange.ts"
import * as OpenVersion from "./OpenVersion.ts"

const pruneEvery = 64

const lateAnswers = Metric.counter("credential_refresh_settled_total", {
  description: "Answers of providers that were settled, by where the grant in them went",
  incremental: true
})

/** For whom it is settled. */
export interface Settler {
  readonly tenantId: string
  readonly credentialId: string
  readonly caller: Caller
}

export interface Known {
  readonly known: ProviderInForce
  readonly provider: Provider
  readonly rotation: Rotation
  readonly setup: commands.RefreshSetup
  readonly route: Route
}

/** Who gave it; null: not said in answers of before. */
export const giverOf = ({ own, provider }: Kept): Named | null =>
  provider === undefined ? null : own === true ? { provider: provider.name, own } : { provider: provider.name }

/** An exchange whose answer is stored, and what was seen last before it. */
export interface Spent {
  readonly kept: Kept
  readonly standing: Standing
}

export const make = Effect.fnUntraced(function* (
  describeCache: Effect.Success<typeof DescribeCache.make>,
  timing: GrantTiming
) {
  const actors = yield* TenantActors
  const store = yield* RefreshStore
  const keyring = yield* Keyring
  const tenantKeys = yield* TenantKeys
  const events = yield* CredentialEvents
  const fingerprintOf = Sealing.fingerprintOf(keyring)
  const sealerOf = Sealing.sealerOf(keyring)

  const openText = OpenVersion.make(tenantKeys)

  /** What was stored of an exchange, as the rules want it. */
  const settling = Effect.fnUntraced(function* (
    { credentialId, tenantId }: Settler,
    { provider: present, setup }: Known,
    refresh: Refresh,
    kept: Kept,
    { now, versions }: Pick<Standing, "now" | "versions">
  ): Effect.fn.Return<commands.Settling> {
    // An entry that was mended since reads it better; another provider's does not read it at all.
    const giver = giverOf(kept)
    const isPresent = giver === null || Life.isSameProvider(giver, refresh)
    const provider = isPresent ? present : (kept.provider ?? present)
    const base = { term: kept.term, spends: kept.spends, spent: kept.spent, claimedAt: kept.claimedAt }
    const wait = now + backOffMs(refresh.grant.attempts, yield* Random.next)
    const of = (
      outcome: Life.Outcome,
      granted: commands.Settling["granted"],
      failure: commands.Settling["failure"]
    ): commands.Settling => ({
      credentialId,
      seenVersion: null,
      setup,
      timing,
      answer: { ...base, outcome },
      of: giver,
      granted,
      failure
    })
    const { outcome } = kept
    if (outcome._tag === "Failure") {
      const kind = outcome.mayHaveArrived ? "unknown" : "transient"
      const reason = reasonOfFailure(outcome.reason)
      return of({ kind, retryAt: wait }, null, { reason, detail: "", httpStatus: null })
    }
    const { raw } = outcome
    const defaultLifeMs = provider.default_lifetime === null ? null : durationMs(provider.default_lifetime)
    const read = readAnswer({ provider, raw, sent: kept.sent, defaultLifeMs })
    if (read.kind === "granted") {
      const { accessToken, refreshToken, tokenType } = read.fields
      const secret: Secret = {
        ...kept.secret,
        ...(accessToken === null ? {} : { access_token: accessToken }),
        ...(refreshToken === null ? {} : { refresh_token: refreshToken }),
        ...(tokenType === null ? {} : { token_type: tokenType })
      }
      const field = provider.grant === "exchange_live" ? "access_token" : "refresh_token"
      const value = secret[field]
      const grant =
        provider.grant === "client_credentials"
          ? "client"
          : value === undefined
            ? kept.spent
            : fingerprintOf(tenantId, credentialId, field, value, [
                kept.spent,
                ...versions.map(({ fingerprints }) => fingerprints[field])
              ])
      const granted = { secret, expiresAt: read.expiresAt, isWhole: read.failure === null }
      if (read.failure === null) return of({ kind: "granted", grant }, granted, null)
      const { detail, reason } = read.failure
      const retryAt = ("retryAt" in read.failure ? read.failure.retryAt : null) ?? wait
      return of({ kind: "granted", grant, retryAt }, granted, { reason, detail, httpStatus: raw.status })
    }
    const failure = { reason: read.reason, detail: read.detail, httpStatus: raw.status }
    if (read.kind === "refused") return of({ kind: "refused" }, null, failure)
    const retryAt = ("retryAt" in read ? read.retryAt : null) ?? wait
    return of({ kind: read.kind === "unknown" ? "unknown" : "transient", retryAt }, null, failure)
  })

  /** The oldest answer that can be opened. Where one cannot, that is told, and the refresh is in doubt if it was spent for. */
  const openOldest = Effect.fnUntraced(function* (
    job: Settler,
    { versions }: Standing,
    { provider }: Known
  ): Effect.fn.Return<Kept | undefined, ChangeError> {
    const unread: Array<number> = []
    let kept: Kept | undefined
    for (const answer of versions.filter(isAnswer)) {
      const opened = yield* Effect.result(openText(job.tenantId, answer))
      if (Result.isSuccess(opened)) {
        kept = JSON.parse(opened.success) as Kept
        break
      }
      if (opened.failure._tag !== "RowChanged") return yield* opened.failure
      unread.push(answer.version)
    }
    if (unread.length === 0) return kept
    const { credentialId, tenantId } = job
    const noting = noteUnread({ credentialId, provider, versions: unread }, events, job.caller)
    const noted = yield* actors.ask(tenantId, noting)
    if (noted !== "none") {
      yield* tellUnread(tenantId, credentialId, unread, noted)
      yield* Effect.forkDetach(describeCache.changed(tenantId))
    }
    if (noted === "in doubt" && kept === undefined) return yield* new errors.RefreshInDoubt({ credentialId })
    return kept
  })

  /** Undefined: somebody else settled it, or it has to be read anew. */
  const settle = Effect.fnUntraced(function* (
    job: Settler,
    request: commands.Settling
  ): Effect.fn.Return<Extract<commands.Settled, { readonly _tag: "Settled" }> | undefined, ChangeError> {
    const sealer = yield* Effect.mapError(tenantKeys.sealerFor(job.tenantId), OpenVersion.keyFailed)
    const command = commands.settle(request, sealerOf(job.tenantId, sealer), events, job.caller)
    const settled = yield* actors.ask(job.tenantId, command)
    if (settled._tag === "Gone") return undefined
    yield* Metric.update(Metric.withAttributes(lateAnswers, { placement: settled.placement }), 1)
    // Rows that no history shows go, now and then.
    if (settled.credential.version % pruneEvery === 0) {
      yield* Effect.forkDetach(Effect.ignore(store.pruneVersions(job.tenantId, job.credentialId)))
    }
    yield* Effect.forkDetach(describeCache.changed(job.tenantId))
    return settled
  })

  /** Settles the oldest answer that is stored. Undefined: somebody else did. */
  const settleOldest = Effect.fnUntraced(function* (job: Settler, standing: Standing, known: Known) {
    const { credential } = standing
    if (credential.refresh === undefined) return undefined
    const kept = yield* openOldest(job, standing, known)
    if (kept === undefined) return undefined
    return yield* settle(job, yield* settling(job, known, credential.refresh, kept, standing))
  })

  /**
   * An answer that this process has just stored, by what it saw last before its exchange: without another look, where
   * the answer is a whole grant and the credential is of the same version still. Else undefined: it is read as it is stored.
   */
  const settleOwn = Effect.fnUntraced(function* (job: Settler, { kept, standing }: Spent, known: Known) {
    const { refresh, version } = standing.credential
    if (refresh === undefined) return undefined
    const request = yield* settling(job, known, refresh, kept, standing)
    if (request.granted === null || request.failure !== null) return undefined
    return yield* settle(job, { ...request, seenVersion: version })
  })

  return { settling, settleOldest, settleOwn }
})

export type StoredAnswers = Effect.Success<ReturnType<typeof make>>
