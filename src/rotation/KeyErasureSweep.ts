/**
 * The clockwork behind the end of keys: those that were followed and that nothing needs, and data keys of removed
 * tenants with the tenant's retention (`CM_TENANT_RETENTION`, or its own); on one replica, with a row in the audit of
 * `global` for each.
 */
import { Duration, Effect, Layer } from "effect"
import { KeyErasure } from "../actors/keys/KeyErasure.ts"
import { CryptoConfig } from "../crypto/CryptoConfig.ts"
import * as Clockwork from "./Clockwork.ts"
import { SweepConfig } from "./SweepConfig.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { interval } = yield* SweepConfig
    const { erase, retire } = yield* KeyErasure
    const { swept, whenDue } = yield* Clockwork.make("keys")
    const ages = { retentionMs: Duration.toMillis((yield* CryptoConfig).tenantRetention) }
    yield* whenDue("erasure", { work: ["keys of removed tenants"], every: interval, ages }, swept("erasure", erase))
    yield* whenDue(
      "retirement",
      { work: ["keys of the service that were followed"], every: interval },
      swept("retirement", retire)
    )
  })
)
