/** Client credentials of removed tenants are deleted, in pieces, with their events; then their names are free. */
import { Context, Effect, Layer } from "effect"
import { ClientStore } from "../../store/ClientStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import * as Background from "../tenant/Background.ts"
import { goingOn } from "../tenant/goingOn.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { purge } from "./commands.ts"
import { ClientEvents } from "./Events.ts"

const pieceMax = 500
const tenantsAtOnce = 4

export class ClientSweeps extends Context.Service<
  ClientSweeps,
  {
    /** One piece; answers how many went. A tenant that fails leaves its rows for the next time. */
    readonly purge: Effect.Effect<number, StoreUnavailable>
  }
>()("cm/actors/ClientSweeps") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const store = yield* ClientStore
      const actors = yield* TenantActors
      const events = yield* ClientEvents
      const ofTenant = (tenantId: string, ids: ReadonlyArray<string>) =>
        Effect.map(
          goingOn(
            "a tenant's client credentials",
            tenantId,
            Effect.flatMap(Background.caller("sweep"), (caller) =>
              Effect.asVoid(actors.ask(tenantId, purge(ids, events, caller)))
            )
          ),
          (done) => (done ? ids.length : 0)
        )
      return {
        purge: Effect.gen(function* () {
          const byTenant = Map.groupBy(yield* store.orphaned(pieceMax), ({ tenantId }) => tenantId)
          const counts = yield* Effect.forEach(
            byTenant,
            ([tenantId, refs]) =>
              ofTenant(
                tenantId,
                refs.map(({ credentialId }) => credentialId)
              ),
            { concurrency: tenantsAtOnce }
          )
          return counts.reduce((sum, count) => sum + count, 0)
        })
      }
    })
  )
}
