/** The clockwork behind client credentials: those of removed tenants go, so that their names are free again. */
import { Effect, Layer } from "effect"
import { ClientSweeps } from "../actors/clients/ClientSweeps.ts"
import * as Clockwork from "./Clockwork.ts"
import { SweepConfig } from "./SweepConfig.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { interval } = yield* SweepConfig
    const { purge } = yield* ClientSweeps
    const { swept, whenDue } = yield* Clockwork.make("clients")
    const work = ["applications or tenants that were removed"] as const
    yield* whenDue("removed", { work, every: interval }, swept("removed", purge))
  })
)
