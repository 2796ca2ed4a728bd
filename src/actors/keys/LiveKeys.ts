/**
 * `Keys` over the actor of the tenant `global`.
 *
 * A rotation asks the actor twice: first which keys are to be followed, or for the answer from before;
 * then, with their successors made outside of any transaction, to put these in their place. What
 * happened in between is seen by the second, which does nothing over again.
 */
import { Duration, Effect, Layer } from "effect"
import { CryptoConfig } from "../../crypto/CryptoConfig.ts"
import { KeyRotation } from "../../crypto/KeyRotation.ts"
import type { Wanted } from "../../crypto/RotationPlan.ts"
import * as errors from "../../domain/errors.ts"
import { globalTenantId, isEntityId, unknownEntityId } from "../../domain/Names.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { TenantsConfig } from "../tenant/TenantsConfig.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"
import * as commands from "./commands.ts"
import { Keys } from "./Keys.ts"

const everything: Wanted = { purpose: null, force: false }
const unavailable = (_: StoreUnavailable) => new errors.Unavailable({ part: "database", committed: false })

export const layer = Layer.effect(
  Keys,
  Effect.gen(function* () {
    const rotation = yield* KeyRotation
    const actors = yield* TenantActors
    const events = yield* EventWriter
    const { keysActivation, keysAgeMin } = yield* CryptoConfig
    const options = {
      events,
      activationMs: Duration.toMillis(keysActivation),
      ageMinMs: Duration.toMillis(keysAgeMin),
      comparedMs: Duration.toMillis((yield* TenantsConfig).idempotencyTtl)
    }

    return Keys.of({
      listKeys: (options) => Effect.mapError(rotation.list(options), unavailable),
      rotateKeys: Effect.fnUntraced(function* (caller, wanted: Wanted = everything) {
        const first = yield* actors.ask(globalTenantId, commands.rotateKeys(null, wanted, options, caller))
        if (!("wanted" in first)) return first
        const successors = yield* rotation.successorsOf(first.wanted).pipe(
          Effect.tapError((error) => Effect.logError("keys could not be rotated", { reason: error.message })),
          Effect.mapError(({ _tag }) => {
            const part = _tag === "StoreUnavailable" ? "database" : "master key"
            return new errors.Unavailable({ part, committed: false })
          })
        )
        const rotated = yield* actors.ask(globalTenantId, commands.rotateKeys(successors, wanted, options, caller))
        if ("wanted" in rotated) return yield* Effect.die(new Error("a rotation with successors asks for successors"))
        for (const { keyId, purpose, why } of rotated.notRotated) {
          if (why === "young") continue
          yield* Effect.logWarning("a key was not rotated: rows are under the ones before it still", { keyId, purpose })
        }
        return rotated
      }),
      keysStatus: () => Effect.mapError(rotation.status, unavailable),
      retireKey: (keyId, caller) =>
        isEntityId(keyId)
          ? Effect.asVoid(actors.ask(globalTenantId, commands.retireKey(keyId, options, caller)))
          : Effect.fail(new errors.KeyNotFound({ keyId: unknownEntityId }))
    })
  })
)
