/** The one `RefusalLedger` of this replica: reads note refusals in it, a sweep writes what was counted. */
import { Context, Effect, Layer } from "effect"
import type { AuditEntry } from "../store/TenantStore.ts"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import { type CountedRefusals, RefusalLedger } from "./RefusalLedger.ts"

/** Notes for one request, whose transaction may run more than once: the same answer each time. */
export interface Noting {
  /** Whether the refusal gets a row of its own. */
  readonly note: (tenantId: string, entry: AuditEntry, now: number) => boolean
  /** The row was not committed: the next such refusal gets one. */
  readonly forget: () => void
}

export class Refusals extends Context.Service<
  Refusals,
  {
    readonly noting: () => Noting
    /** What was counted and first seen at or before `until`. */
    readonly take: (until: number) => ReadonlyArray<CountedRefusals>
  }
>()("cm/actors/Refusals") {
  static readonly layer = Layer.effect(
    Refusals,
    Effect.map(CredentialsConfig, ({ refusalsMax }) => {
      const ledger = new RefusalLedger(refusalsMax)
      return {
        noting: () => {
          let written: boolean | undefined
          let noted: readonly [string, AuditEntry] | undefined
          return {
            note: (tenantId, entry, now) => {
              noted = [tenantId, entry]
              written ??= ledger.note(tenantId, entry, now)
              return written
            },
            forget: () => {
              if (noted !== undefined && written === true) ledger.forget(...noted)
            }
          }
        },
        take: (until) => ledger.take(until)
      }
    })
  )
}
