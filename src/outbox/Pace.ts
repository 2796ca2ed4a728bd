/**
 * How fast events leave while others want this thread: they take a fifth of it at most, unless they are late.
 *
 * A backlog is published as fast as it goes, in pieces that each end in a turn of the event loop. A thread that always has
 * work serves whoever has some in turns, and the relay has as much as it is given: it would take half of what
 * validations have. So while the thread never waits, and not for the relay's sake alone, the relay waits after each piece.
 *
 * A fifth is 13,333 events a second. Where more are written than that, the outbox would grow for ever: so the relay waits
 * for nobody while what it publishes is older than a few seconds.
 */
import { performance } from "node:perf_hooks"
import { threadCpuUsage } from "node:process"
import { Duration, Effect } from "effect"

/** Of the thread's time, while others want it as well. */
const shareMax = 0.2
/** What an event takes of the thread, at most: measured 8 to 13. */
const eventUs = 15
/** A thread that waits for less than the rest of its time has always work. */
const busyMin = 0.95
/** Of the thread's work: less than this is what runs beside a relay that is alone. */
const othersMin = 0.2
/** Shorter waits are left out. */
const pauseMinMs = 2
/** Older events do not wait for others' work. */
const ageMaxMs = 5_000

export interface Since {
  readonly events: number
  readonly ms: number
  /** Part of the time in which the thread had work, 0 to 1. */
  readonly busy: number
  /** Processor time of the thread. */
  readonly cpuMs: number
  /** Of the oldest event, by the clock that wrote it; null: not known. */
  readonly ageMs: number | null
}

/** Milliseconds to wait after so many events, by what the thread did while they were published. */
export const pauseMs = ({ ageMs, busy, cpuMs, events, ms }: Since): number => {
  if (ageMs !== null && ageMs > ageMaxMs) return 0
  const ownMs = (events * eventUs) / 1_000
  if (busy < busyMin || cpuMs - ownMs < othersMin * cpuMs) return 0
  const pause = ownMs / shareMax - ms
  return pause < pauseMinMs ? 0 : pause
}

/**
 * Called after each piece with the number of its events and when the oldest of what was to leave was written (UNIX
 * milliseconds, the database's clock; null: nothing was); waits as long as it must.
 */
export type Pace = (events: number, oldestAt: number | null) => Effect.Effect<void>

/** What was written is so old by the database's clock, which was heard at some time; `now` in milliseconds. */
export const agesOf = (now: () => number) => {
  let ahead: number | null = null
  return {
    /** The database's clock says so now, or said so a moment ago. */
    heard: (at: number): void => {
      ahead = at - now()
    },
    /** Milliseconds; null before that clock was heard. */
    of: (writtenAt: number): number | null => (ahead === null ? null : now() + ahead - writtenAt)
  }
}

/** By this thread, since it was called last. `now` in milliseconds; `ageOf` what `agesOf` gives. */
export const ofThread = (now: () => number, ageOf: (writtenAt: number) => number | null): Pace => {
  let atMs = now()
  let elu = performance.eventLoopUtilization()
  let cpu = threadCpuUsage()
  return (events, oldestAt) =>
    Effect.suspend(() => {
      const [ms, used] = [now() - atMs, threadCpuUsage(cpu)]
      const busy = performance.eventLoopUtilization(elu).utilization
      const cpuMs = (used.user + used.system) / 1_000
      const pause = pauseMs({ events, ms, busy, cpuMs, ageMs: oldestAt === null ? null : ageOf(oldestAt) })
      return Effect.andThen(
        pause === 0 ? Effect.void : Effect.sleep(Duration.millis(pause)),
        Effect.sync(() => {
          atMs = now()
          elu = performance.eventLoopUtilization()
          cpu = threadCpuUsage()
        })
      )
    })
}
