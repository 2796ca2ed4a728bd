/**
 * The end of keys: those of the service that were followed and that no row needs any more are retired, those of
 * removed tenants are destroyed after the tenant's retention. Both are told in the audit of `global`.
 *
 * `rotation` decides when. Two replicas that do the same piece do it once. What cannot be done now is left
 * for the next turn and keeps no other tenant's keys waiting.
 */
import { Context, Duration, Effect, Layer, Metric } from "effect"
import { CryptoConfig } from "../../crypto/CryptoConfig.ts"
import * as RotationPlan from "../../crypto/RotationPlan.ts"
import { TenantKeys } from "../../crypto/TenantKeys.ts"
import { globalTenantId } from "../../domain/Names.ts"
import { KeyRotationStore } from "../../store/KeyRotationStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import * as Background from "../tenant/Background.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { TenantsConfig } from "../tenant/TenantsConfig.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"
import * as commands from "./commands.ts"

/** Keys that one piece looks at. */
const pieceMax = 100

const destroyed = Metric.counter("cm_tenant_keys_destroyed_total", {
  description: "Data keys of removed tenants whose material was destroyed after their retention",
  incremental: true
})

export class KeyErasure extends Context.Service<
  KeyErasure,
  {
    /** Answers how many keys were destroyed. */
    readonly erase: Effect.Effect<number, StoreUnavailable>
    /** Retires what an operator might retire for a day, and at once what a rotation waits for. Answers how many. */
    readonly retire: Effect.Effect<number, StoreUnavailable>
  }
>()("cm/actors/KeyErasure") {}

export const layer = Layer.effect(
  KeyErasure,
  Effect.gen(function* () {
    const store = yield* KeyRotationStore
    const actors = yield* TenantActors
    const tenantKeys = yield* TenantKeys
    const events = yield* EventWriter
    const { keysActivation, keysAgeMin, tenantRetention } = yield* CryptoConfig
    const retentionMs = Duration.toMillis(tenantRetention)
    const options = {
      events,
      activationMs: Duration.toMillis(keysActivation),
      ageMinMs: Duration.toMillis(keysAgeMin),
      comparedMs: Duration.toMillis((yield* TenantsConfig).idempotencyTtl)
    }

    const erase = Effect.gen(function* () {
      const ended = yield* store.endedKeys(retentionMs, pieceMax)
      const caller = yield* Background.caller("sweep")
      let count = 0
      for (const [tenantId, keys] of Map.groupBy(ended, ({ tenantId }) => tenantId)) {
        const { keyIds } = yield* actors.ask(globalTenantId, commands.destroyTenantKeys(tenantId, keys, caller)).pipe(
          Effect.catch(({ _tag: reason }) =>
            Effect.as(Effect.logWarning("keys of a removed tenant are destroyed later", { tenantId, reason }), {
              keyIds: []
            })
          )
        )
        if (keyIds.length === 0) continue
        count += keyIds.length
        yield* tenantKeys.forget(tenantId)
        yield* Metric.update(destroyed, keyIds.length)
        yield* Effect.logInfo("the data keys of a removed tenant were destroyed", { tenantId, keys: keyIds.length })
      }
      return count
    })

    const retire = Effect.gen(function* () {
      const caller = yield* Background.caller("sweep")
      let count = 0
      for (const { keyId, purpose } of RotationPlan.leftBehind(yield* store.serviceKeys, options.activationMs)) {
        if ((yield* store.countRows(keyId, 1)) > 0) continue
        const command = commands.retireKey(keyId, options, caller)
        const retired = yield* Effect.result(actors.ask(globalTenantId, command))
        if (retired._tag === "Success") count += 1
        else yield* Effect.logWarning("a key is retired later", { keyId, purpose, reason: retired.failure._tag })
      }
      return count
    })
    return KeyErasure.of({ erase, retire })
  })
)
