/**
 * Rows of what changes nothing and must be answered for all the same: who read an audit, looked at the
 * settings, stopped a replica, was handed a secret of the tenant `global`.
 *
 * A row that must be there is committed before what it tells of is answered. One that repeats within the
 * window (`RefusalLedger`) is counted, as repeated refusals are. They stand in the audit of `global`: who reads
 * a tenant's audit changes nothing in it, so that what is listed and what is verified stay the same.
 */
import { Clock, Context, Effect, Exit, Layer, Result } from "effect"
import { globalTenantId } from "../../domain/Names.ts"
import type { AuditAct } from "../../store/TenantStore.ts"
import type { Command } from "../tenant/Command.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { ChangeError } from "../tenant/Tenants.ts"
import type { AuditCaller } from "../tenant/Workspace.ts"
import { Refusals } from "./Refusals.ts"

/** Nothing that an operator asks for waits longer for its row. */
const tryFor = "1 second"

const recordIt = (who: AuditCaller, act: AuditAct): Command<null> => ({
  name: "audit.note",
  caller: { ...who, idempotency: null },
  load: {},
  onRemovedTenant: true,
  decide: (workspace) => {
    workspace.record(who, act)
    return Result.succeed(null)
  }
})

const make = Effect.gen(function* () {
  const actors = yield* TenantActors
  const refusals = yield* Refusals

  const row = (tenantId: string, who: AuditCaller, act: AuditAct) =>
    Effect.asVoid(actors.ask(tenantId, recordIt(who, act)))
  const counted = (who: AuditCaller, act: AuditAct) =>
    Effect.gen(function* () {
      const noting = refusals.noting()
      const { correlationId, known, principal: actor } = who
      const now = yield* Clock.currentTimeMillis
      if (!noting.note(globalTenantId, { actor, known, correlationId, ...act }, now)) return
      yield* Effect.onExit(row(globalTenantId, who, act), (exit) =>
        Exit.isSuccess(exit) ? Effect.void : Effect.sync(noting.forget)
      )
    })

  return AuditNotes.of({
    row,
    counted,
    tried: (who, act) =>
      counted(who, act).pipe(
        Effect.timeout(tryFor),
        Effect.catch(({ _tag: error }) =>
          Effect.logWarning("an operator's act has no row in the audit", { ...act, actor: who.principal, error })
        )
      )
  })
})

export class AuditNotes extends Context.Service<
  AuditNotes,
  {
    /** A row of its own, each time. */
    readonly row: (tenantId: string, who: AuditCaller, act: AuditAct) => Effect.Effect<void, ChangeError>
    /** In `global`: the first is a row now; those that follow within the window are counted. */
    readonly counted: (who: AuditCaller, act: AuditAct) => Effect.Effect<void, ChangeError>
    /** The same for what must work without a database: when there can be no row, the log has a line. */
    readonly tried: (who: AuditCaller, act: AuditAct) => Effect.Effect<void>
  }
>()("cm/actors/AuditNotes") {
  static readonly layer = Layer.effect(this, make)
}
