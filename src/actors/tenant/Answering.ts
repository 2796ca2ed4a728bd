/**
 * Wakes those who wait for an answer, in the order of the answers, when the actor has gone on.
 *
 * What a group's requests do with their answers (secrets are opened, replies are written) takes the
 * processor longer than the actor's next statements take to be sent. So the actor goes first, and the
 * database works meanwhile. They are woken all at once: in smaller pieces they would cost more writes
 * to the bus, and come back in smaller groups.
 */
import { Effect, FiberSet } from "effect"

export const make = Effect.gen(function* () {
  const fibers = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  const waiting: Array<() => void> = []

  const wakeAll = Effect.sync(() => {
    for (let wake = waiting.shift(); wake !== undefined; wake = waiting.shift()) wake()
  }).pipe(
    Effect.catchDefect((defect) => Effect.logError("an answer met a bug", defect)),
    Effect.repeat({ while: () => waiting.length > 0 })
  )

  return {
    later: (wake: () => void): void => {
      waiting.push(wake)
      if (waiting.length === 1) fork(Effect.andThen(Effect.yieldNow, wakeAll))
    },
    /** Returns when everybody is woken. */
    settled: FiberSet.awaitEmpty(fibers)
  }
})
