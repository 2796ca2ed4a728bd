/**
 * Events that no stream took, as an operator handles them: listed, let go once more, or dropped.
 *
 * What is decided about one is a row in the audit of the tenant `global`, in the transaction of the
 * decision, and names the event and whose it was. One that is let go once more goes to the end of the
 * outbox: later events of its entity have left before it, and readers tell by its version.
 */
import { Context, Effect, Layer, Result } from "effect"
import * as errors from "../../domain/errors.ts"
import { globalTenantId } from "../../domain/Names.ts"
import type { Page, PageQuery } from "../../domain/Page.ts"
import { type AsideAction, type AsideRow, Outbox } from "../../store/Outbox.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import type { Command } from "./Command.ts"
import { TenantActors } from "./TenantActors.ts"
import type { Caller, ChangeError, ReadError } from "./Tenants.ts"

export interface Released {
  readonly id: number
  readonly action: AsideAction
}

export class BlockedEvents extends Context.Service<
  BlockedEvents,
  {
    /** By id. */
    readonly listBlocked: (query: PageQuery) => Effect.Effect<Page<AsideRow>, ReadError>
    readonly releaseBlocked: (id: number, action: AsideAction, caller: Caller) => Effect.Effect<Released, ChangeError>
  }
>()("cm/actors/BlockedEvents") {
  static readonly layer = Layer.effect(
    BlockedEvents,
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const actors = yield* TenantActors
      return BlockedEvents.of({
        listBlocked: (query) => Effect.mapError(outbox.aside(query), readFailed),
        releaseBlocked: (id, action, caller) => actors.ask(globalTenantId, release(id, action, caller))
      })
    })
  )
}

const readFailed = (_: StoreUnavailable) => new errors.Unavailable({ part: "database", committed: false })

export const release = (id: number, action: AsideAction, caller: Caller): Command<Released> => ({
  name: "outbox.release",
  caller,
  load: { aside: [id] },
  decide: (workspace) => {
    const row = workspace.asideRow(id)
    if (row === undefined) return Result.fail(new errors.EventNotFound({ id }))
    workspace.endAside(id, action)
    workspace.record(caller, {
      action: "outbox.released",
      entityType: "event",
      entityId: row.eventId,
      diff: { id, decision: action, tenant: row.tenantId, reason: row.reason, createdAt: row.createdAt }
    })
    return Result.succeed({ id, action })
  }
})
