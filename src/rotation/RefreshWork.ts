/**
 * How refreshes are at work: on fibers that nobody's going away ends, a few at a time, and how a stop and a rest are taken.
 *
 * Promises: once the stop was begun nothing begins that nobody waits for, and what is under way is carried to its end, as far
 * as there is time; of those that nobody waits for a few are at work at one moment, the others wait for their provider.
 */
import { Duration, Effect, FiberSet } from "effect"
import { Shutdown } from "../observability/Shutdown.ts"
import { RefreshStore } from "../store/RefreshStore.ts"
import { AtWork } from "./AtWork.ts"
import { type Ended, idle } from "./Ended.ts"
import type { Asking, Job } from "./RefreshJob.ts"

/** Refreshes that nobody waits for of which this process does something at one moment; others wait for their provider. */
const atWorkMax = 3
const stopLimit = Duration.seconds(25)

export const make = Effect.gen(function* () {
  const shutdown = yield* Shutdown
  const store = yield* RefreshStore
  const fibers = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  /** All who asked are gone. */
  let isClosing = false
  // What is under way when the replica stops is carried to its end, as far as there is time.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isClosing = true
      return Effect.timeoutOption(FiberSet.awaitEmpty(fibers), stopLimit)
    })
  )
  /** The stop was begun: what nobody waits for is another replica's to begin. */
  const stopsBefore = ({ place }: Pick<Job, "place">): Effect.Effect<boolean> =>
    Effect.map(shutdown.isRequested, (isStopping) => isClosing || (isStopping && !place.hurried))
  const putOff = ({ credentialId }: Asking): Effect.Effect<Ended> =>
    Effect.as(Effect.ignore(store.putBack(credentialId, 0)), idle)
  /** Of what nobody waits for: it would be picked again at once, and again. */
  const rest = ({ asked, credentialId }: Asking, version: number | null, forMs: number | null): Effect.Effect<void> =>
    asked ? Effect.void : Effect.ignore(store.rest(credentialId, version, forMs))

  // What nobody waits for takes little of the thread, of the connections and of a tenant's groups at a time: who
  // reads a secret meanwhile would wait behind all of it at each step of its own.
  const atWork = new AtWork(atWorkMax)
  let waiting = 0
  const leave = ({ place }: Job) => Effect.sync(() => atWork.leave(place))
  const comeBack = ({ place }: Job) => atWork.enter(place)
  const inTurn = <A, E>(job: Job, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        waiting++
        return Effect.ensuring(
          comeBack(job),
          Effect.sync(() => waiting--)
        )
      }),
      () => work,
      () => leave(job)
    )
  /** What waits for another system. */
  const away = <A, E>(job: Job, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      leave(job),
      () => work,
      () => comeBack(job)
    )

  return {
    /** Runs it to its end: a stop waits for it. */
    fork,
    stopsBefore,
    putOff,
    rest,
    inTurn,
    away,
    leave,
    comeBack,
    place: (hurried: boolean) => atWork.place(hurried),
    /** Somebody waits for it now: it need not stand in a line any more. */
    hurry: ({ place }: Job) => atWork.hurry(place),
    waitingUnsafe: () => waiting
  }
})

export type RefreshWork = Effect.Success<typeof make>
