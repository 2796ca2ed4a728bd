/**
 * Records first uses: tokens that a validation found Inactive become Active, in batches, through
 * their tenant's actor.
 *
 * Durable within a second while MariaDB answers, and once however many replicas saw the first use:
 * the command moves only what is still Inactive. What could not be recorded is kept and tried
 * again; beyond `pendingMax` it is forgotten and told again at the token's next use.
 */

import { Effect, FiberSet, Layer } from "effect"
import * as Loop from "../../observability/Loop.ts"
import * as Background from "../tenant/Background.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { FirstUse } from "../validation/FirstUse.ts"
import * as commands from "./commands/tokens.ts"

/** First uses that wait to be recorded, over all tenants. */
export const pendingMax = 100_000
/** Tokens that are moved in one command. */
export const pieceMax = 250
const every = "100 millis"
/** How long an orderly stop waits for what is not recorded yet. */
const stopLimit = "5 seconds"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const firstUse = yield* FirstUse
    const actors = yield* TenantActors
    const pending = new Map<string, Set<string>>()
    let count = 0

    const keep = (tenantId: string, tokenId: string): void => {
      if (count >= pendingMax) {
        firstUse.forget(tokenId)
        return
      }
      const tokens = pending.get(tenantId) ?? new Set()
      if (tokens.has(tokenId)) return
      pending.set(tenantId, tokens.add(tokenId))
      count++
    }

    const take = (tenantId: string, tokens: Set<string>): ReadonlyArray<string> => {
      const piece = Array.from(tokens).slice(0, pieceMax)
      for (const tokenId of piece) tokens.delete(tokenId)
      if (tokens.size === 0) pending.delete(tenantId)
      count -= piece.length
      return piece
    }

    const recordPiece = (tenantId: string, piece: ReadonlyArray<string>) =>
      Effect.flatMap(Background.caller("sweep"), (caller) =>
        actors.ask(tenantId, commands.activateOnFirstUse(piece, caller))
      ).pipe(
        Effect.asVoid,
        Effect.catch((error) =>
          Effect.sync(() => {
            // A tenant that is gone has no first uses; everything else is tried again.
            if (error._tag === "TenantNotFound") return
            for (const tokenId of piece) keep(tenantId, tokenId)
          })
        ),
        // A bug: logged by the actor. The token's next use is told again.
        Effect.catchDefect(() => Effect.sync(() => piece.forEach(firstUse.forget)))
      )
    /** All that a tenant has now, piece by piece; one tenant that is slow holds up no other. */
    const recordTenant = Effect.fnUntraced(function* (tenantId: string) {
      for (let left = pending.get(tenantId)?.size ?? 0; left > 0; left -= pieceMax) {
        const tokens = pending.get(tenantId)
        if (tokens !== undefined) yield* recordPiece(tenantId, take(tenantId, tokens))
      }
    })
    const busy = new Set<string>()
    const fibers = yield* FiberSet.make<void>()
    const recordAll = Effect.suspend(() =>
      Effect.forEach(
        Array.from(pending.keys()).filter((tenantId) => !busy.has(tenantId)),
        (tenantId) => {
          busy.add(tenantId)
          return FiberSet.run(
            fibers,
            Effect.ensuring(
              recordTenant(tenantId),
              Effect.sync(() => busy.delete(tenantId))
            )
          )
        },
        { discard: true }
      )
    )

    const context = yield* Effect.context<never>()
    const run = Effect.runForkWith(context)
    firstUse.onFirstUse = keep
    firstUse.recordNow = (tenantId) => {
      const tokens = pending.get(tenantId)
      if (tokens !== undefined) run(recordPiece(tenantId, take(tenantId, tokens)))
    }
    yield* Effect.addFinalizer(() =>
      Effect.andThen(recordAll, FiberSet.awaitEmpty(fibers)).pipe(Effect.timeoutOption(stopLimit))
    )
    yield* Effect.forkScoped(Loop.forever("first use", Effect.delay(recordAll, every)))
  })
)
