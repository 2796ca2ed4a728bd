/**
 * The clockwork behind crypto-erasure: data keys of removed tenants end with the tenant's retention
 * (`CM_TENANT_RETENTION`, or its own), on one replica, and leave a row in the audit of `global`.
 */
import { Effect, Layer } from "effect"
import { KeyErasure } from "../actors/keys/KeyErasure.ts"
import * as Clockwork from "./Clockwork.ts"
import { SweepConfig } from "./SweepConfig.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { interval } = yield* SweepConfig
    const { erase } = yield* KeyErasure
    const { every, swept } = yield* Clockwork.make("keys")
    yield* every("erasure", interval, swept("erasure", erase))
  })
)
