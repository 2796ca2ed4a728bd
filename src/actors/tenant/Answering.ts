/**
 * Wakes those who wait for an answer, in the order of the answers, when the actor has gone on.
 *
 * What a group's requests do with their answers (secrets are opened, replies are written) takes the
 * processor longer than the actor's next statements take to be sent. So the actor goes first, and the
 * database works meanwhile. In one turn of the loop `wokenAtOnce` are woken: in smaller pieces they would cost more
 * writes to the bus, and come back in smaller groups; in larger ones they would keep the thread from all others.
 */
import { Effect, FiberSet } from "effect"

export const wokenAtOnce = 64

export const make = Effect.gen(function* () {
  const fibers = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  const waiting: Array<() => void> = []

  const wakeSome = Effect.sync(() => {
    for (let left = wokenAtOnce; left > 0; left--) waiting.shift()?.()
  }).pipe(Effect.catchDefect((defect) => Effect.logError("an answer met a bug", defect)))
  const wakeAll = Effect.repeat(Effect.andThen(Effect.yieldNow, wakeSome), { while: () => waiting.length > 0 })

  return {
    later: (wake: () => void): void => {
      waiting.push(wake)
      if (waiting.length === 1) fork(wakeAll)
    },
    /** Returns when everybody is woken. */
    settled: FiberSet.awaitEmpty(fibers)
  }
})
