/**
 * One limit for many waits: however many there are, one sleep.
 *
 * All waits of one `Deadlines` have the same time, so the one that began first is over first; what is
 * slept for is that one. Beginning and ending a wait costs no fiber and no timer.
 */
import { Clock, Duration, Effect, Latch, type Scope } from "effect"
import * as Loop from "./Loop.ts"

export interface Deadlines {
  /** `overdue` is called once, when the time is over and the function given back was not called before. */
  readonly begin: (overdue: () => void) => () => void
}

interface Wait {
  readonly sinceMs: number
  readonly overdue: () => void
}

export const make = Effect.fnUntraced(function* (
  name: string,
  time: Duration.Input
): Generator<Effect.Effect<unknown, never, Scope.Scope>, Deadlines, never> {
  const clock = yield* Clock.Clock
  const timeMs = Duration.toMillis(time)
  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  /** Oldest first. */
  const waits = new Set<Wait>()
  const some = Latch.makeUnsafe()

  const look = Effect.suspend(() => {
    const now = nowMs()
    for (const wait of waits) {
      const leftMs = wait.sinceMs + timeMs - now
      if (leftMs > 0) return Effect.sleep(Math.ceil(leftMs))
      waits.delete(wait)
      wait.overdue()
    }
    Latch.closeUnsafe(some)
    return some.await
  })
  yield* Effect.forkScoped(Loop.forever(`deadlines of ${name}`, look))

  return {
    begin: (overdue) => {
      const wait = { sinceMs: nowMs(), overdue }
      waits.add(wait)
      if (waits.size === 1) Latch.openUnsafe(some)
      return () => void waits.delete(wait)
    }
  }
})
