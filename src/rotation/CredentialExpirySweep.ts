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
  const { noticesMs, sweepEvery } = yield* CredentialsConfig
  const credentials = yield* CredentialSweeps
  const { every, swept, whenDue } = yield* Clockwork.make("credentials")

  yield* whenDue(
    "ends",
    {
      work: [
        "credentials that ended",
        "overlaps that are over",
        "notices to be given",
        "applications or tenants that were removed"
      ],
      every: sweepEvery,
      ages: { noticeMs: Math.max(0, ...noticesMs) }
    },
    swept("expire", credentials.expire).pipe(
      Effect.andThen(swept("overlaps", credentials.endOverlaps)),
      Effect.andThen(swept("notices", credentials.notify)),
      Effect.andThen(swept("removed", credentials.purge))
    )
  )
  yield* every("gauges", measureEvery, Clockwork.loggingFailure("measure")(credentials.measure))
})

export const layer = Layer.effectDiscard(make)
