/** `DueWork` over a look that tells which kinds of work there may be: one timer and one look for all that look as often as each other. */
import { Duration, Effect, Exit, Fiber, Latch } from "effect"
import * as Loop from "../observability/Loop.ts"
import { type Ages, DueWork, type Sought, type Work } from "./DueWork.ts"
import type { StoreUnavailable } from "./StoreError.ts"

/** Which of these there may be. */
export type Look = (work: ReadonlyArray<Work>, ages: Ages) => Effect.Effect<ReadonlySet<Work>, StoreUnavailable>

interface Seeker {
  readonly work: ReadonlyArray<Work>
  readonly ages: Ages
  readonly some: Latch.Latch
}

const wake = (seekers: Iterable<Seeker>, isSome: (seeker: Seeker) => boolean): void => {
  for (const seeker of seekers) if (isSome(seeker)) Latch.openUnsafe(seeker.some)
}

export const make = Effect.fnUntraced(function* (look: Look) {
  const scope = yield* Effect.scope
  /** By how often they look, in milliseconds. */
  const groups = new Map<number, Set<Seeker>>()

  const lookFor = (seekers: Set<Seeker>, every: Duration.Duration) =>
    Effect.gen(function* () {
      const work = new Set(Array.from(seekers).flatMap((seeker) => seeker.work))
      if (work.size === 0) return
      const ages = Object.assign({}, ...Array.from(seekers, (seeker) => seeker.ages))
      const looking = yield* Effect.forkChild(look(Array.from(work), ages))
      const lateness = Effect.sync(() => wake(seekers, () => true))
      const ended = yield* Fiber.await(looking).pipe(
        Effect.raceFirst(Effect.forever(Effect.andThen(Effect.sleep(every), lateness)))
      )
      wake(seekers, (seeker) => !Exit.isSuccess(ended) || seeker.work.some((one) => ended.value.has(one)))
      // A bug in it is told. One that was interrupted is followed by the next.
      if (Exit.hasDies(ended)) yield* ended
    }).pipe(Effect.ignore)

  const groupOf = (every: Duration.Duration) =>
    Effect.suspend(() => {
      const ms = Duration.toMillis(every)
      const known = groups.get(ms)
      if (known !== undefined) return Effect.succeed(known)
      const seekers = new Set<Seeker>()
      groups.set(ms, seekers)
      const looking = Loop.forever("due work", Effect.andThen(Effect.sleep(every), lookFor(seekers, every)))
      return Effect.as(Effect.forkIn(looking, scope), seekers)
    })

  return DueWork.of({
    seek: Effect.fnUntraced(function* ({ ages = {}, every, work }: Sought) {
      const seekers = yield* groupOf(Duration.fromInputUnsafe(every))
      const seeker: Seeker = { work, ages, some: Latch.makeUnsafe() }
      yield* Effect.acquireRelease(
        Effect.sync(() => seekers.add(seeker)),
        () => Effect.sync(() => seekers.delete(seeker))
      )
      return Effect.andThen(seeker.some.await, Effect.asVoid(seeker.some.close))
    })
  })
})
