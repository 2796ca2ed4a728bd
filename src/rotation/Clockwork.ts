/**
 * The clockwork of sweeps that replicas share: each kind of work is claimed by one replica for a while,
 * by the database's clock, and done in pieces until none is left. What fails is logged and tried again
 * at the next turn; the work itself may be done twice and has its effect once.
 */
import { Duration, Effect } from "effect"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { DueWork, type Sought } from "../store/DueWork.ts"
import { Sweeps } from "../store/Sweeps.ts"

/** Pieces of one turn; the rest waits for the next, so that no kind of work starves another. */
const piecesMax = 20
/** A claim outlives its turn by this much, so that a replica that died is replaced soon. */
const claimFor = Duration.seconds(10)

type Failure = { readonly _tag: string }

export const loggingFailure =
  (name: string) =>
  <E extends Failure>(work: Effect.Effect<void, E>): Effect.Effect<void> =>
    Effect.catch(work, (error) => Effect.logWarning(`sweep ${name} goes on at its next turn`, { error: error._tag }))

const pieces = Effect.fnUntraced(function* <E>(piece: Effect.Effect<number, E>) {
  for (let count = 0; count < piecesMax; count++) if ((yield* piece) === 0) return
})

/** @param noun whose sweeps they are: `credentials`, `audit` */
export const make = Effect.fnUntraced(function* (noun: string) {
  const { process } = yield* Replica
  const sweeps = yield* Sweeps
  const dueWork = yield* DueWork

  const turn = <E extends Failure>(name: string, work: Effect.Effect<void, E>) =>
    Effect.gen(function* () {
      const mine = yield* sweeps.hold(`${noun}.${name}`, process, Duration.toMillis(claimFor))
      if (mine) yield* work
    }).pipe(loggingFailure(name))

  const again = <R>(name: string, once: Effect.Effect<void>, wait: Effect.Effect<void, never, R>) =>
    Effect.andThen(once, wait).pipe(
      Effect.annotateLogs({ sweep: name }),
      (turn) => Loop.forever(`${noun} ${name}`, turn),
      Effect.forkScoped
    )

  return {
    /** Now and then whenever there may be some of it, by a look every so often. */
    whenDue: (name: string, sought: Sought, once: Effect.Effect<void>) =>
      Effect.flatMap(dueWork.seek(sought), (some) => again(name, once, some)),
    every: (name: string, interval: Duration.Input, once: Effect.Effect<void>) =>
      again(name, once, Effect.sleep(interval)),
    /** A piece of work that answers how much it found, on one replica, until there is no more. */
    swept: <E extends Failure>(name: string, piece: Effect.Effect<number, E>) => turn(name, pieces(piece))
  }
})
