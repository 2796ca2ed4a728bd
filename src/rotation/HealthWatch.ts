/** A look at a token that never expires, in a turn at its provider; nothing is spent by it. */
import { Effect, Exit, Random } from "effect"
import { CredentialEvents } from "../actors/credentials/Events.ts"
import { type HealthOutcome, settleHealth } from "../actors/credentials/HealthCommands.ts"
import { believeCredential } from "../actors/tenant/RowTagging.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { Keyring } from "../crypto/Keyring.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import type { Standing } from "../store/RefreshStore.ts"
import { type Ended, idle } from "./Ended.ts"
import * as HealthCheck from "./HealthCheck.ts"
import { noneAsked } from "./HeldTurns.ts"
import type { Job } from "./RefreshJob.ts"
import type { RefreshParts } from "./RefreshParts.ts"
import type { Known } from "./StoredAnswers.ts"

/** What a look is made of. */
export type Parts = Pick<RefreshParts, "describeCache" | "guard" | "work" | "reading" | "turns" | "changedRows">

export const make = Effect.fnUntraced(function* (parts: Parts) {
  const { changedRows, describeCache, guard } = parts
  const { away, putOff } = parts.work
  const { openHeld } = parts.reading
  const { endTurn, mayBeginNow, takeTurn } = parts.turns
  const actors = yield* TenantActors
  const keyring = yield* Keyring
  const events = yield* CredentialEvents

  return Effect.fnUntraced(function* (
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
})

export type HealthWatch = Effect.Success<ReturnType<typeof make>>
