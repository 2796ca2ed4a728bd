/**
 * What is being worked on: a bounded count, and a way to wait until it is nothing.
 *
 * A few places beyond the bound are kept for what must be answered whatever the load.
 */
import { Effect } from "effect"

/** Places beyond the bound for requests that are always answered. */
export const reservedPlaces = 256

export interface InFlight {
  /** False when there is no place; nothing is counted then. */
  readonly enter: (reserved?: boolean) => boolean
  readonly leave: () => void
  readonly count: () => number
  /** Completes when nothing is under way. */
  readonly idle: Effect.Effect<void>
}

export const make = (max: number): InFlight => {
  let count = 0
  let waiters: Array<() => void> = []
  return {
    enter: (reserved = false) => {
      if (count >= max + (reserved ? reservedPlaces : 0)) return false
      count += 1
      return true
    },
    leave: () => {
      count -= 1
      if (count > 0) return
      const woken = waiters
      waiters = []
      for (const wake of woken) wake()
    },
    count: () => count,
    idle: Effect.callback<void>((resume) => {
      if (count === 0) return resume(Effect.void)
      waiters.push(() => resume(Effect.void))
    })
  }
}
