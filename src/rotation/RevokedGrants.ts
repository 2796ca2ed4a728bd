/**
 * What was revoked here, revoked at its provider too: all that it would still take, what it answered and nobody has settled
 * included. It is tried again until it is done, or its week is over.
 */
import { Effect, Exit, Random, Result } from "effect"
import type { RevokedAtProvider } from "../actors/credentials/Refresher.ts"
import { settleRevocation } from "../actors/credentials/RevocationCommands.ts"
import { believeCredential, tellUnread } from "../actors/tenant/RowTagging.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { Keyring } from "../crypto/Keyring.ts"
import { answerVersionBase, type CredentialVersion, isAnswer, revocationVersion } from "../domain/Credential.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import * as Life from "../domain/GrantLife.ts"
import type { Refresh } from "../domain/Refresh.ts"
import type { Standing } from "../store/RefreshStore.ts"
import type { Kept } from "./Exchange.ts"
import { noneAsked, since } from "./HeldTurns.ts"
import type { Job } from "./RefreshJob.ts"
import type { RefreshParts } from "./RefreshParts.ts"
import { revokeAt } from "./RevokeAtProvider.ts"
import type { Known } from "./StoredAnswers.ts"
import * as StoredAnswers from "./StoredAnswers.ts"

type Revoked = NonNullable<Effect.Success<ReturnType<typeof revokeAt>>>
const doneAtProvider: Revoked = { failure: null, result: { _tag: "ok" } }
const nothingToRevoke: Revoked = {
  failure: { reason: "unknown", detail: "", httpStatus: null },
  result: { _tag: "none" }
}

/** What a revocation is made of. */
export type Parts = Omit<RefreshParts, "describeCache">

export const make = Effect.fnUntraced(function* (parts: Parts) {
  const { changedRows, guard, timing } = parts
  const { away, putOff } = parts.work
  const { knownOf, openText, standingOf } = parts.reading
  const { endTurn, mayBeginNow, takeTurn } = parts.turns
  const { settling } = parts.answers
  const actors = yield* TenantActors
  const keyring = yield* Keyring

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
          const now = yield* since(standing.now)
          for (const secret of secrets) {
            // One that is refused keeps none of the others alive; a provider that is down, or a client's fault, does.
            if (came.failure !== null && came.result._tag !== "ok") break
            if (!(yield* again)) return null
            const next: Revoked | null = yield* away(job, revokeAt({ ...known, secret, guard, again, now }, url))
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

  return revoking
})

export type RevokedGrants = Effect.Success<ReturnType<typeof make>>
