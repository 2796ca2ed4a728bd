/**
 * Everything a protocol may ask about a tenant's audit: its rows, and whether they still are what was written.
 *
 * A tenant sees its own rows and none of one that had its name before; `verify` walks the whole chain.
 *
 * Every effect ends within `CM_REQUEST_TIMEOUT`.
 */
import { Context, type Effect } from "effect"
import type { AuditRangeTooLong } from "../../domain/errors.ts"
import type { Page } from "../../domain/Page.ts"
import type { AuditRow } from "../../store/AuditChain.ts"
import type { AuditBound } from "../../store/AuditStore.ts"
import type { ReadError } from "../tenant/Tenants.ts"

export interface AuditRange {
  readonly from: AuditBound
  readonly to: AuditBound
}

export interface AuditListRequest extends AuditRange {
  readonly entityId: string | null
  readonly limit: number
  readonly after: string | null
}

export interface AuditVerdict {
  readonly valid: boolean
  /** Rows that were looked at. */
  readonly checked: number
  readonly firstBroken: { readonly seq: number; readonly reason: string } | null
  /** How far the checkpoints reach that were announced, and when the last of them was signed; null: there is none. */
  readonly published: { readonly seq: number; readonly at: number } | null
}

export class Audit extends Context.Service<
  Audit,
  {
    /** Oldest first. */
    readonly list: (tenantId: string, request: AuditListRequest) => Effect.Effect<Page<AuditRow>, ReadError>
    readonly verify: (tenantId: string, range: AuditRange) => Effect.Effect<AuditVerdict, ReadError | AuditRangeTooLong>
  }
>()("cm/actors/Audit") {}
