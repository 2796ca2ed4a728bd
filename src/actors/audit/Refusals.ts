/** The one `RefusalLedger` of this replica: reads note refusals in it, a sweep writes what was counted. */
import { Context, Effect, Layer } from "effect"
import type { AuditEntry } from "../../store/TenantStore.ts"
import { Ids } from "../tenant/Ids.ts"
import { AuditConfig } from "./AuditConfig.ts"
import { type Noted, type RefusalBatch, RefusalLedger } from "./RefusalLedger.ts"

/** Notes for one request, whose transaction may run more than once: what the last run decided counts. */
export interface Noting {
  /** Whether the refusal gets a row of its own. */
  readonly note: (tenantId: string, entry: AuditEntry, now: number) => boolean
  /** The request was not answered with a refusal after all. */
  readonly forget: () => void
}

export class Refusals extends Context.Service<
  Refusals,
  {
    readonly noting: () => Noting
    /** What was counted and first seen at or before `until`, and what was taken and is not known to be written. */
    readonly take: (until: number) => ReadonlyArray<RefusalBatch>
    readonly written: (batch: RefusalBatch) => void
    /** Counted on, together with what came meanwhile. */
    readonly notWritten: (batch: RefusalBatch) => void
    /** Refusals that were counted and are not known to be written. */
    readonly countedUnsafe: () => number
  }
>()("cm/actors/Refusals") {
  static readonly layer = Layer.effect(
    Refusals,
    Effect.gen(function* () {
      const { refusalIdsMax, refusalsMax } = yield* AuditConfig
      const ids = yield* Ids
      const ledger = new RefusalLedger(refusalsMax, refusalIdsMax)
      return {
        noting: () => {
          let noted: Noted | undefined
          return {
            note: (tenantId, entry, now) => {
              noted?.undo()
              noted = ledger.note(tenantId, entry, now)
              return noted.isRow
            },
            forget: () => noted?.undo()
          }
        },
        take: (until) => ledger.take(until, ids.next),
        written: (batch) => ledger.written(batch),
        notWritten: (batch) => ledger.notWritten(batch),
        countedUnsafe: () => ledger.counted
      }
    })
  )
}
