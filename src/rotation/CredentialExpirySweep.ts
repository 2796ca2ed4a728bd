/**
 * The clockwork behind credentials: their ends, overlaps and notices.
 *
 * A credential is refused from the very moment of its end, whatever this is doing; the event follows
 * within `CM_CREDENTIAL_SWEEP_EVERY`.
 */
import { Duration, Effect, Layer } from "effect"
import { CredentialsConfig } from "../actors/credentials/CredentialsConfig.ts"
import { CredentialSweeps } from "../actors/credentials/Sweeps.ts"
import * as Clockwork from "./Clockwork.ts"

const measureEvery = Duration.seconds(15)

const make = Effect.gen(function* () {
  const { sweepEvery } = yield* CredentialsConfig
  const credentials = yield* CredentialSweeps
  const { every, swept } = yield* Clockwork.make("credentials")

  yield* every(
    "ends",
    sweepEvery,
    swept("expire", credentials.expire).pipe(
      Effect.andThen(swept("overlaps", credentials.endOverlaps)),
      Effect.andThen(swept("notices", credentials.notify)),
      Effect.andThen(swept("removed", credentials.purge))
    )
  )
  yield* every("gauges", measureEvery, Clockwork.loggingFailure("measure")(credentials.measure))
})

export const layer = Layer.effectDiscard(make)
