/**
 * The clockwork behind credentials: their ends, overlaps, notices, the audit's checkpoints and counts.
 *
 * Replicas share it: each kind of work is claimed by one replica for a while, by the database's
 * clock, and done in pieces until none is left. What fails is logged and tried again at the next
 * turn; the work itself may be done twice and has its effect once.
 *
 * A credential is refused from the very moment of its end, whatever this is doing; the event follows
 * within `CM_CREDENTIAL_SWEEP_EVERY`.
 */

import { Duration, Effect, Layer } from "effect"
import { CredentialsConfig } from "../actors/credentials/CredentialsConfig.ts"
import { CredentialSweeps, type SweepError } from "../actors/credentials/Sweeps.ts"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { Sweeps } from "../store/Sweeps.ts"

/** Pieces of one turn; the rest waits for the next, so that no kind of work starves another. */
const piecesMax = 20
/** A claim outlives its turn by this much, so that a replica that died is replaced soon. */
const claimFor = Duration.seconds(10)
const measureEvery = Duration.seconds(15)
const refusalsEvery = Duration.seconds(1)

const make = Effect.gen(function* () {
  const { checkpointEvery, sweepEvery } = yield* CredentialsConfig
  const { process } = yield* Replica
  const sweeps = yield* Sweeps
  const credentials = yield* CredentialSweeps

  const pieces = Effect.fnUntraced(function* (piece: Effect.Effect<number, SweepError>) {
    for (let count = 0; count < piecesMax; count++) if ((yield* piece) === 0) return
  })

  const turn = (name: string, work: Effect.Effect<void, SweepError>) =>
    Effect.gen(function* () {
      const mine = yield* sweeps.claim(`credentials.${name}`, process, Duration.toMillis(claimFor))
      if (mine) yield* work
    }).pipe(loggingFailure(name))

  const every = (name: string, interval: Duration.Duration, once: Effect.Effect<void>) =>
    Effect.andThen(once, Effect.sleep(interval)).pipe(
      Effect.annotateLogs({ sweep: name }),
      (turn) => Loop.forever(`credentials ${name}`, turn),
      Effect.forkScoped
    )

  const swept = (name: string, piece: Effect.Effect<number, SweepError>) => turn(name, pieces(piece))
  yield* every(
    "ends",
    sweepEvery,
    swept("expire", credentials.expire).pipe(
      Effect.andThen(swept("overlaps", credentials.endOverlaps)),
      Effect.andThen(swept("notices", credentials.notify)),
      Effect.andThen(swept("removed", credentials.purge))
    )
  )
  yield* every("checkpoints", checkpointEvery, swept("checkpoint", credentials.checkpoint))
  yield* every("gauges", measureEvery, loggingFailure("measure")(credentials.measure))
  yield* every("refusals", refusalsEvery, Effect.asVoid(credentials.writeRefusals({ all: false })))
})

const loggingFailure =
  (name: string) =>
  (work: Effect.Effect<void, SweepError>): Effect.Effect<void> =>
    Effect.catch(work, (error) => Effect.logWarning(`sweep ${name} goes on at its next turn`, { error: error._tag }))

export const layer = Layer.effectDiscard(make)
