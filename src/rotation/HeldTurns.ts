/**
 * Turns at a provider, as a refresh holds them: taken before anything is asked, made longer where a request might outlast one,
 * and ended with what the answer says of the provider and of the client, by which circuits open and close.
 *
 * Promise: a request begins within its turn, and ends within it as far as this process is not made to sleep.
 */
import { Clock, Duration, Effect, Metric, Random } from "effect"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import * as errors from "../domain/errors.ts"
import type { Provider } from "../domain/Provider.ts"
import { readAnswer } from "../domain/ProviderAnswer.ts"
import { type CircuitChange, pickedMs, RefreshStore, type Route, type TurnResult } from "../store/RefreshStore.ts"
import { databaseFailed } from "./Ended.ts"
import { type Kept, reasonOfFailure } from "./Exchange.ts"
import type { Job } from "./RefreshJob.ts"
import type { RefreshWork } from "./RefreshWork.ts"
import type { Known } from "./StoredAnswers.ts"

export const noneAsked: TurnResult = { _tag: "none" }
const turnWaitMs = 8_000
/** A request that took its whole time is given up so much later at most, on a machine that keeps up. */
const givenUpMs = 2_000
/** A provider that says only that it was asked too often. */
const limitedMs = 5_000

const circuitChanges = Metric.counter("credential_refresh_circuit_changes_total", {
  description: "Circuits at providers that opened or closed, by whose: the provider's, or a client's at it",
  incremental: true
})

/** A turn at a provider, and until when it is held at least, by the clock that only this process has. */
export interface HeldTurn {
  readonly id: number
  readonly until: number
}

/** What the provider's answer says of the provider, and of the client: for the circuits alone. */
export const resultOf = (kept: Kept | null, provider: Provider): TurnResult => {
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

/** By the clock that only goes on. */
const elapsedMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** Each moment from now on, where now is `moment` by another clock. */
export const since = (moment: number): Effect.Effect<Effect.Effect<number>> =>
  Effect.map(elapsedMs, (from) => Effect.map(elapsedMs, (at) => moment + at - from))

export interface TurnTimes {
  /** A turn is held so long without being made longer. */
  readonly holdMs: number
  /** A request takes so long at most. */
  readonly exchangeMs: number
}

export const make = Effect.fnUntraced(function* ({ stopsBefore }: RefreshWork, { exchangeMs, holdMs }: TurnTimes) {
  const store = yield* RefreshStore

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
          holdMs,
          passes
        }),
        databaseFailed
      )
      if (turn._tag === "Taken") return { id: turn.turnId, until: from + holdMs }
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

  return { takeTurn, mayBeginNow, endTurn }
})

export type HeldTurns = Effect.Success<ReturnType<typeof make>>
