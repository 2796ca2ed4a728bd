/**
 * Records first uses: client credentials that a check found Inactive become Active, in batches, through
 * their tenant's actor. Durable within a second while MariaDB answers; the command moves only what is still
 * Inactive, so that it happens once however many replicas saw it. What could not be recorded is tried again;
 * beyond `pendingMax` it is told again at its next use.
 */
import { Context, Effect, FiberSet, Layer } from "effect"
import { servicePrincipal } from "../../domain/Principal.ts"
import * as Loop from "../../observability/Loop.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { activateOnFirstUse } from "./commands.ts"

const pendingMax = 100_000
const pieceMax = 250
const every = "100 millis"
const stopLimit = "5 seconds"

const caller = { ...servicePrincipal("first-use"), correlationId: "", idempotency: null } as const

export class ClientUses extends Context.Service<
  ClientUses,
  {
    /** Must not wait; false: there is no room, tell it again. */
    readonly tellUnsafe: (tenantId: string, credentialId: string) => boolean
    /** Puts what is not recorded yet of a tenant into its mailbox, before what the caller asks next. */
    readonly recordNowUnsafe: (tenantId: string) => void
  }
>()("cm/actors/ClientUses") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const actors = yield* TenantActors
      const pending = new Map<string, Set<string>>()
      let count = 0
      const tellUnsafe = (tenantId: string, credentialId: string): boolean => {
        const ids = pending.get(tenantId) ?? new Set()
        if (ids.has(credentialId)) return true
        if (count >= pendingMax) return false
        pending.set(tenantId, ids.add(credentialId))
        count++
        return true
      }
      const take = (tenantId: string): ReadonlyArray<string> => {
        const ids = pending.get(tenantId)
        if (ids === undefined) return []
        const piece = Array.from(ids).slice(0, pieceMax)
        for (const id of piece) ids.delete(id)
        if (ids.size === 0) pending.delete(tenantId)
        count -= piece.length
        return piece
      }
      const record = (tenantId: string) =>
        Effect.suspend(() => {
          const piece = take(tenantId)
          if (piece.length === 0) return Effect.void
          return actors.ask(tenantId, activateOnFirstUse(piece, caller)).pipe(
            Effect.asVoid,
            Effect.catch((error) =>
              Effect.sync(() => {
                if (error._tag !== "TenantNotFound") for (const id of piece) tellUnsafe(tenantId, id)
              })
            ),
            Effect.catchDefect((bug) => Effect.logError("first uses of client credentials were not recorded", bug))
          )
        })
      const fibers = yield* FiberSet.make<void>()
      const busy = new Set<string>()
      const recordAll = Effect.suspend(() =>
        Effect.forEach(
          Array.from(pending.keys()).filter((tenantId) => !busy.has(tenantId)),
          (tenantId) => {
            busy.add(tenantId)
            return FiberSet.run(
              fibers,
              Effect.ensuring(
                record(tenantId),
                Effect.sync(() => busy.delete(tenantId))
              )
            )
          },
          { discard: true }
        )
      )
      const run = Effect.runForkWith(yield* Effect.context<never>())
      yield* Effect.addFinalizer(() =>
        Effect.andThen(recordAll, FiberSet.awaitEmpty(fibers)).pipe(Effect.timeoutOption(stopLimit))
      )
      yield* Effect.forkScoped(Loop.forever("first use of clients", Effect.delay(recordAll, every)))
      return { tellUnsafe, recordNowUnsafe: (tenantId) => void run(record(tenantId)) }
    })
  )
}
