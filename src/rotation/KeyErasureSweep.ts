/**
 * The clockwork behind the end of keys: those that were followed and that nothing needs, and data keys of removed
 * tenants with the tenant's retention (`CM_TENANT_RETENTION`, or its own); on one replica, with a row in the audit of
 * `global` for each.
 */
import { Effect, Layer } from "effect"
import { KeyErasure } from "../actors/keys/KeyErasure.ts"
import * as Clockwork from "./Clockwork.ts"
import { SweepConfig } from "./SweepConfig.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { interval } = yield* SweepConfig
    const { erase, retire } = yield* KeyErasure
    const { every, swept } = yield* Clockwork.make("keys")
    yield* every("erasure", interval, swept("erasure", erase))
    yield* every("retirement", interval, swept("retirement", retire))
  })
)
