/**
 * How replicas agree that a right is gone.
 *
 * This module is the contract: what actors and the relay ask of the protocol, and what the protocol
 * asks of whoever holds cached rights (`Applier`, implemented by `actors`). The protocol itself is
 * in the other files of this folder; `docs/decisions` explains it.
 *
 * `LeaseView` is the one thing the hot path reads: plain numbers, no call. A cached right may be used
 * only while `holds(now, monotonic)` is true and the tenant's covered sequence was read under the
 * present `generation`.
 *
 * Layers: `layerSolo` here, for a single replica and for tests of other parts; `NatsCoherence.ts`.
 */
import { type Clock, Context, Effect, Layer, Schedule, Schema } from "effect"
import type { Appearance, Revocation, RevocationTarget } from "../domain/Revocation.ts"
import { Outbox } from "../store/Outbox.ts"

/** The barrier did not complete within its limit (10 s). The change stands; the relay goes on with it. */
export class BarrierTimeout extends Schema.TaggedError<BarrierTimeout>()("BarrierTimeout", { seq: Schema.Int }) {}

/**
 * The one clock that leases count on, in milliseconds: Effect's monotonic one. `performance.now()`
 * runs on the same clock from another origin; who prefers it for speed takes the difference once.
 */
export const monotonicMsUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** This replica's right to answer from memory. Written by the lease keeper only. Times as `monotonicMsUnsafe` gives them. */
export class LeaseState {
  /** The right ends at this monotonic millisecond… */
  trustedUntilMonotonicMs = 0
  /** …and no later than this wall-clock millisecond (a suspended machine's monotonic clock stands still). */
  trustedUntilWallMs = 0
  /** Grows each time a lapse starts or ends. What was covered under an older generation must be covered again. */
  generation = 1

  holds(monotonicMs: number, wallMs: number): boolean {
    return monotonicMs < this.trustedUntilMonotonicMs && wallMs < this.trustedUntilWallMs
  }
}

export class LeaseView extends Context.Service<LeaseView, LeaseState>()("cm/coherence/LeaseView") {
  static readonly layer = Layer.sync(LeaseView, () => new LeaseState())
}

/** Implemented by whoever caches rights. Synchronous: when it returns, the replica obeys. Must not throw. */
export class Applier extends Context.Service<
  Applier,
  {
    readonly applyUnsafe: (revocation: Revocation) => void
    readonly appearUnsafe: (appearance: Appearance) => void
    /** Perhaps they were taken away, by a commit whose outcome is not known: what is in memory of them goes. */
    readonly dropUnsafe: (tenantId: string, targets: ReadonlyArray<RevocationTarget>) => void
  }
>()("cm/coherence/Applier") {
  /** For a process that caches no rights. */
  static readonly layerNoop = Layer.succeed(Applier, {
    applyUnsafe: () => {},
    appearUnsafe: () => {},
    dropUnsafe: () => {}
  })
}

const soloTimeout = "10 seconds"
const soloRetry = Schedule.spaced("100 millis")

export class Coherence extends Context.Service<
  Coherence,
  {
    /**
     * Returns when no replica answers from before the revocation any more; the store is told so
     * (`Outbox.markInForce`) soon after, and who commits need not wait for that. Idempotent; many callers share
     * one barrier. The local replica is applied to first, at once. It must be all that its transaction took
     * away: the store is told by sequence, so what is left out here would count as in force.
     */
    readonly putInForce: (revocation: Revocation) => Effect.Effect<void, BarrierTimeout>
    /** The same, and returns when the store has been told. For who looks there what is left to do. */
    readonly putInForceAndTell: (revocation: Revocation) => Effect.Effect<void, BarrierTimeout>
    /** Tells every replica, this one included, that something may be usable now. Never waits, never fails. */
    readonly announceUnsafe: (appearance: Appearance) => void
    /**
     * Hears the tenant's id when this replica (`isOwn`) or another has told the store that something of it is
     * in force. A hint: it may be lost, and may come for nothing. Must not throw.
     */
    readonly onInForceUnsafe: (listener: (tenantId: string, isOwn: boolean) => void) => void
    /** Somebody waits until the store is told: what is in force waits for nothing more to be told with it. Must not throw. */
    readonly tellNowUnsafe: () => void
    /** Why this replica may not trust its caches right now, or null. For readiness. */
    readonly lapse: Effect.Effect<string | null>
    /**
     * Returns when a revocation would not have to wait for what the lease bucket may have replaced: at
     * once, but for a bucket that was just made. For the end of a start; gives up after one lease.
     */
    readonly settled: Effect.Effect<void>
  }
>()("cm/coherence/Coherence") {
  /** One replica and no bus: the lease always holds, applying locally is all there is to do. */
  static readonly layerSolo = Layer.effect(
    Coherence,
    Effect.gen(function* () {
      const applier = yield* Applier
      const outbox = yield* Outbox
      const lease = yield* LeaseView
      lease.trustedUntilMonotonicMs = Number.MAX_SAFE_INTEGER
      lease.trustedUntilWallMs = Number.MAX_SAFE_INTEGER
      lease.generation++
      const listeners: Array<(tenantId: string, isOwn: boolean) => void> = []
      const putInForce = (revocation: Revocation) =>
        Effect.suspend(() => {
          applier.applyUnsafe(revocation)
          return outbox.markInForce([{ tenantId: revocation.tenantId, seq: revocation.seq }])
        }).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              for (const listener of listeners) listener(revocation.tenantId, true)
            })
          ),
          Effect.retry(soloRetry),
          Effect.timeoutOrElse({
            duration: soloTimeout,
            orElse: () => Effect.fail(new BarrierTimeout({ seq: revocation.seq }))
          }),
          Effect.catchTag("StoreUnavailable", () => Effect.fail(new BarrierTimeout({ seq: revocation.seq })))
        )
      return {
        putInForce,
        putInForceAndTell: putInForce,
        tellNowUnsafe: () => {},
        announceUnsafe: (appearance: Appearance) => applier.appearUnsafe(appearance),
        onInForceUnsafe: (listener: (tenantId: string, isOwn: boolean) => void) => void listeners.push(listener),
        lapse: Effect.succeed(null),
        settled: Effect.void
      }
    })
  )
}
