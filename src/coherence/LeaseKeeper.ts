/**
 * Keeps this replica's lease, and says at once when it is lost.
 *
 * Promises:
 * - `LeaseState` holds only what `Lease.ts` allows for an acknowledged write;
 * - a lost compare-and-set, a missing entry, a lost connection and an orderly stop end the right in
 *   the turn in which they are known; a right that was lost is never renewed, a new one is taken;
 * - an orderly stop releases the entry, so that nobody waits for it;
 * - it never tries more often than every `retryEvery`.
 *
 * A late renewal (a busy event loop, a paused process) needs no care: the right is a moment in time,
 * and it has passed. Whoever was evicted because it did not acknowledge waits before it tries again,
 * longer each time, or revocations would wait for it again and again.
 */
import { Clock, type Context, Deferred, Duration, Effect, Schedule } from "effect"
import { Nats } from "../nats/Nats.ts"
import * as Loop from "../observability/Loop.ts"
import { LeaseView, monotonicMsUnsafe } from "./Coherence.ts"
import { CoherenceConfig, timingOf } from "./CoherenceConfig.ts"
import * as Metrics from "./CoherenceMetrics.ts"
import { afterLapse, afterRenewal, type Moment } from "./Lease.ts"
import type { BucketError, LeaseBucket } from "./LeaseBucket.ts"
import { leaseKey } from "./LeaseEntry.ts"

export interface LeaseKeeper {
  /** The key of the right that this process holds, or null. */
  readonly ownKey: () => string | null
  /** Why the lease does not hold, or null. */
  readonly lapse: () => string | null
}

interface Term {
  readonly key: string
  readonly takenMs: number
  revision: number
  readonly lost: Deferred.Deferred<void>
}

const retryEvery = Duration.millis(100)
const releaseLimit = Duration.seconds(1)
/** Of one lease, doubled each time up to this many. */
const backOffLeasesMax = 16

/** Needs a scope: the lease is released when it closes. */
export const make = Effect.fnUntraced(function* (bucket: LeaseBucket, process: string) {
  const { control } = yield* Nats
  const state = yield* LeaseView
  const timing = timingOf(yield* CoherenceConfig)
  const clock = yield* Clock.Clock
  const context: Context.Context<never> = yield* Effect.context<never>()
  const renewEvery = Duration.millis(timing.leaseMs / 3)
  let term: Term | null = null
  let taken = 0
  /** How often the connection was lost. What is acknowledged with none in between was heard on one that lives. */
  let losses = 0
  let reason = "starting"

  const now = (): Moment => ({
    monotonicMs: monotonicMsUnsafe(clock),
    wallMs: clock.currentTimeMillisUnsafe()
  })

  const lapseUnsafe = (why: string): void => {
    reason = why
    if (term === null) return
    const { lost } = term
    term = null
    Object.assign(state, afterLapse(state))
    Metrics.leaseHeld.updateUnsafe(0, context)
    Metrics.leaseLapses.updateUnsafe(1, context)
    Deferred.doneUnsafe(lost, Effect.void)
  }

  const grantUnsafe = (sent: Moment, renewal: boolean): void => {
    const { generation } = state
    Object.assign(state, afterRenewal(state, sent, now(), timing))
    if (renewal && state.generation !== generation) Metrics.leaseLapses.updateUnsafe(1, context)
    Metrics.leaseHeld.updateUnsafe(1, context)
  }

  const followConnection = Effect.promise(async () => {
    for await (const { type } of control.status()) {
      if (type === "disconnect" || type === "staleConnection" || type === "close" || type === "forceReconnect") {
        losses++
        lapseUnsafe("the bus connection is lost")
      }
    }
  })

  const release = (mine: Term): Effect.Effect<void> => {
    const heldMs = monotonicMsUnsafe(clock) - mine.takenMs
    return bucket
      .write(mine.key, mine.revision, "released", heldMs, timing)
      .pipe(Effect.timeoutOption(releaseLimit), Effect.ignore)
  }

  /** Null: the connection was lost meanwhile, so the right that was taken is given back. */
  const take: Effect.Effect<Term | null, BucketError> = Effect.suspend(() => {
    const key = leaseKey(process, taken++)
    return bucket.ensure.pipe(
      Effect.andThen(() => {
        const lossesBefore = losses
        const sent = now()
        return bucket.write(key, 0, "held", 0, timing).pipe(
          Effect.flatMap((revision) => {
            const fresh: Term = { key, revision, takenMs: now().monotonicMs, lost: Deferred.makeUnsafe<void>() }
            if (losses !== lossesBefore) return Effect.as(release(fresh), null)
            term = fresh
            grantUnsafe(sent, false)
            return Effect.succeed(fresh)
          })
        )
      })
    )
  })

  const wasEvicted = (mine: Term): Effect.Effect<boolean> =>
    bucket.list.pipe(
      Effect.map(({ entries }) => entries.some(({ key, state: is }) => key === mine.key && is === "evicted")),
      Effect.catch(() => Effect.succeed(false))
    )

  /** Says whether the right was taken away because this replica did not acknowledge. */
  const renewOnce = (mine: Term): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      const sent = now()
      return bucket.write(mine.key, mine.revision, "held", sent.monotonicMs - mine.takenMs, timing).pipe(
        Effect.map((revision) => {
          mine.revision = revision
          if (term === mine) grantUnsafe(sent, true)
          return false
        }),
        Effect.catch((error) => {
          if (error.reason === "conflict") {
            lapseUnsafe("the lease was taken away")
            return wasEvicted(mine)
          }
          if (!state.holds(sent.monotonicMs, sent.wallMs)) lapseUnsafe("the bus does not acknowledge the lease")
          return Effect.as(Effect.sleep(retryEvery), false)
        })
      )
    })

  const hold = Effect.fnUntraced(function* (mine: Term) {
    while (term === mine) {
      yield* Effect.raceFirst(Effect.sleep(renewEvery), Deferred.await(mine.lost))
      if (term !== mine) return false
      if (yield* renewOnce(mine)) return true
    }
    return false
  })

  let refusals = 0
  /** Says the first of a row; readiness says the rest. */
  const refused = (cause: unknown): Effect.Effect<void> =>
    Effect.suspend(() => {
      reason = "the lease bucket does not answer"
      return refusals++ === 0 ? Effect.logWarning("lease not taken", cause) : Effect.void
    })

  const keep = Effect.gen(function* () {
    let backOff = 1
    while (true) {
      const mine = yield* take.pipe(
        Effect.tapError(({ cause }) => refused(cause)),
        Effect.retry(Schedule.spaced(retryEvery))
      )
      refusals = 0
      if (mine === null) {
        yield* Effect.sleep(retryEvery)
        continue
      }
      yield* Effect.logInfo("lease held")
      const evicted = yield* hold(mine)
      yield* Effect.logWarning(`lease lost: ${reason}`)
      yield* Effect.sleep(retryEvery)
      const heldMs = monotonicMsUnsafe(clock) - mine.takenMs
      backOff = !evicted || heldMs > backOffLeasesMax * timing.leaseMs ? 1 : Math.min(backOffLeasesMax, backOff * 2)
      if (evicted) yield* Effect.sleep(Duration.millis((timing.leaseMs * backOff) / 2))
    }
  })

  const stop = Effect.suspend(() => {
    const mine = term
    lapseUnsafe("stopping")
    return mine === null ? Effect.void : release(mine)
  })

  Metrics.leaseHeld.updateUnsafe(0, context)
  yield* Effect.addFinalizer(() => stop)
  yield* Effect.forkScoped(followConnection)
  yield* Effect.forkScoped(Loop.forever("lease", Effect.orDie(keep)))

  const keeper: LeaseKeeper = {
    ownKey: () => term?.key ?? null,
    lapse: () => {
      const { monotonicMs, wallMs } = now()
      if (state.holds(monotonicMs, wallMs)) return null
      return term === null ? reason : "the lease ran out"
    }
  }
  return keeper
})
