/**
 * `Keys` over the key rotation and the actor of the tenant `global`.
 *
 * What was done to the keys is done before it is written down: the answer comes after both, and a
 * repetition of a request whose answer was lost writes it down again and does nothing else.
 */
import { Effect, Layer, Result } from "effect"
import { KeyRotation } from "../crypto/KeyRotation.ts"
import * as errors from "../domain/errors.ts"
import { globalTenantId } from "../domain/Names.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import type { Command } from "./Command.ts"
import { Keys } from "./Keys.ts"
import { TenantActors } from "./TenantActors.ts"
import type { Caller } from "./Tenants.ts"
import { EventWriter } from "./TokenEvents.ts"

const unavailable = ({ outcome }: StoreUnavailable) =>
  new errors.Unavailable({ part: "database", committed: outcome === "unknown" ? null : false })

export const layer = Layer.effect(
  Keys,
  Effect.gen(function* () {
    const rotation = yield* KeyRotation
    const actors = yield* TenantActors
    const events = yield* EventWriter

    /** An audit row and an event under `global`. */
    const writeDown = (
      caller: Caller,
      action: "keys.rotated" | "keys.retired",
      entityId: string,
      data: Readonly<Record<string, unknown>>
    ) => {
      const command: Command<void> = {
        name: action,
        // The change itself is safe to repeat; what is remembered for a key would not be its answer.
        caller: { ...caller, idempotency: null },
        load: {},
        decide: (workspace) => {
          workspace.record({ actor: caller.principal, action, entityType: "key", entityId, diff: data })
          workspace.announce(
            events.json({
              tenantId: globalTenantId,
              type: action,
              entityKey: "keys",
              subject: entityId,
              version: workspace.now,
              at: workspace.now,
              data: { eventType: action, ...data, timestamp: events.iso(workspace.now) },
              afterRevocation: false
            })
          )
          return Result.void
        }
      }
      return actors.ask(globalTenantId, command)
    }

    return Keys.of({
      listKeys: Effect.fnUntraced(function* ({ after, limit }) {
        // One more tells whether there is a next page.
        const keys = yield* Effect.mapError(rotation.list({ limit: limit + 1, after }), unavailable)
        const content = keys.slice(0, limit)
        return { content, next: keys.length > limit ? (content.at(-1)?.keyId ?? null) : null }
      }),
      rotateKeys: Effect.fnUntraced(function* (caller) {
        const rotated = yield* rotation.rotate.pipe(
          Effect.catchTag("StoreUnavailable", (error) => Effect.fail(unavailable(error))),
          Effect.catchTag("MasterKeyError", (error) =>
            Effect.logError("keys could not be rotated", { reason: error.message }).pipe(
              Effect.andThen(Effect.fail(new errors.Unavailable({ part: "master key", committed: false })))
            )
          )
        )
        yield* writeDown(caller, "keys.rotated", "service", { ...rotated })
        return rotated
      }),
      keysStatus: () => Effect.mapError(rotation.status, unavailable),
      retireKey: Effect.fnUntraced(function* (keyId, caller) {
        yield* rotation
          .retire(keyId)
          .pipe(Effect.catchTag("StoreUnavailable", (error) => Effect.fail(unavailable(error))))
        yield* writeDown(caller, "keys.retired", keyId, { keyId })
      })
    })
  })
)
