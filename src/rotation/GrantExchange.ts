/**
 * One exchange at a provider, from its claim to the answer that is sealed and durable.
 *
 * Promises: what a provider answered is stored, however long that takes and whatever became of the claim; a claim whose exchange
 * did not begin is given back, so that nobody waits for its end.
 */
import { Cause, Duration, Effect, Metric } from "effect"
import * as commands from "../actors/credentials/RefreshCommands.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { answerVersionBase, type CredentialVersion, isAnswer } from "../domain/Credential.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import * as Life from "../domain/GrantLife.ts"
import { RefreshStore } from "../store/RefreshStore.ts"
import { isAway } from "./Ended.ts"
import { exchange, type Kept } from "./Exchange.ts"
import { type HeldTurn, since } from "./HeldTurns.ts"
import type { Job } from "./RefreshJob.ts"
import type { RefreshParts } from "./RefreshParts.ts"
import type { Known, Spent } from "./StoredAnswers.ts"

const keepAgainEvery = Duration.millis(250)
const keepAgainAfterBug = Duration.seconds(5)
const giveBackEvery = Duration.seconds(1)
/** What is not given back by then runs out. */
const giveBackTries = 30

const exchanges = Metric.counter("credential_refresh_exchanges_total", {
  description: "Exchanges at providers, by what came of them",
  incremental: true
})

/** What an exchange is made of. */
export type Parts = Pick<RefreshParts, "describeCache" | "guard" | "work" | "reading" | "turns">

export const make = Effect.fnUntraced(function* ({ describeCache, guard, reading, turns, work }: Parts) {
  const { fork } = work
  const { openHeld, standingOf } = reading
  const { mayBeginNow } = turns
  const actors = yield* TenantActors
  const store = yield* RefreshStore

  /** Kept, whatever it takes: a database that is away comes back, and a bug on the way to it is no reason to let go. */
  const keepAnswer = (tenantId: string, answer: CredentialVersion): Effect.Effect<boolean> =>
    Effect.catchCause(store.putAnswer(tenantId, answer), (cause) =>
      Cause.hasDies(cause)
        ? Effect.andThen(
            Effect.logError("an answer of a provider could not be stored, and is tried again", cause),
            Effect.andThen(Effect.sleep(keepAgainAfterBug), keepAnswer(tenantId, answer))
          )
        : Effect.andThen(Effect.sleep(keepAgainEvery), keepAnswer(tenantId, answer))
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
    const now = yield* since(standing.now)
    const asking = { known: known.known, provider, rotation, secret, scopes: credential.scopes, guard, again, now }
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

  return { giveBack, spend }
})

export type GrantExchange = Effect.Success<ReturnType<typeof make>>
