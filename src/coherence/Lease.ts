/**
 * A replica's right to answer from memory, as pure functions over moments.
 *
 * A right is one entry of the lease bucket under a key that is never used again: it is created once,
 * renewed by compare-and-set on its own last revision, and dead for ever once another hand has
 * written it or it is gone. A replica that lost a right takes a new one under a new key.
 *
 * The right counts from the moment before the acknowledged write was sent, less the margin, on the
 * replica's own monotonic clock; it ends too when its wall clock has run that far. Whether the right
 * went on without a gap is decided when the acknowledgement is received: if it had already ended, a
 * lapse lay between, and `generation` grows, so that every tenant is covered again.
 */
import { LeaseState } from "./Coherence.ts"

export interface LeaseTiming {
  readonly leaseMs: number
  /** How far two clocks may differ in rate over one lease; taken off the right and added to the wait for its end. */
  readonly marginMs: number
}

export interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

/** What `LeaseState` holds. */
export type Right = Pick<LeaseState, "trustedUntilMonotonicMs" | "trustedUntilWallMs" | "generation">

export const holds = (right: Right, now: Moment): boolean =>
  LeaseState.prototype.holds.call(right as LeaseState, now.monotonicMs, now.wallMs)

/** After an acknowledged write of the lease entry that was sent at `sent`. */
export const afterRenewal = (right: Right, sent: Moment, received: Moment, timing: LeaseTiming): Right => ({
  trustedUntilMonotonicMs: sent.monotonicMs + timing.leaseMs - timing.marginMs,
  trustedUntilWallMs: sent.wallMs + timing.leaseMs - timing.marginMs,
  generation: holds(right, received) ? right.generation : right.generation + 1
})

/** After a lost compare-and-set, a missing entry, a lost connection or an orderly stop. */
export const afterLapse = (right: Right): Right =>
  right.trustedUntilMonotonicMs === 0
    ? right
    : { trustedUntilMonotonicMs: 0, trustedUntilWallMs: 0, generation: right.generation + 1 }

/** How long after a moment every right that was last asked for before it has certainly ended, on another's clock. */
export const outwaitMs = (timing: LeaseTiming): number => timing.leaseMs + timing.marginMs
