/**
 * Everything a protocol may ask about a tenant's audit: its rows, and whether they still are what was written.
 *
 * A tenant sees its own rows and none of one that had its name before; `verify` walks the whole chain.
 *
 * Every effect ends within `CM_REQUEST_TIMEOUT`.
 */
import { Context, type Effect } from "effect"
import type { AuditKeyLink } from "../../domain/AuditKeyLink.ts"
import type { AuditRangeTooLong } from "../../domain/errors.ts"
import type { Page } from "../../domain/Page.ts"
import type { AuditRow } from "../../store/AuditChain.ts"
import type { AuditStub } from "../../store/AuditCuts.ts"
import type { AuditBound, AuditCheckpoint, AuditHead } from "../../store/AuditStore.ts"
import type { AuditAct } from "../../store/TenantStore.ts"
import type { ChangeError, ReadError } from "../tenant/Tenants.ts"
import type { AuditCaller } from "../tenant/Workspace.ts"

export type { AuditRow } from "../../store/AuditChain.ts"

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
  /** Rows that hold because of a note about them (`Repairs`), the first of them. */
  readonly repaired: ReadonlyArray<number>
  /** How far the checkpoints reach that were announced, and when the last of them was signed; null: there is none. */
  readonly published: { readonly seq: number; readonly at: number } | null
  /** Up to which row the audit was cut, when and by whom, where it was. */
  readonly cut?: { readonly seq: number; readonly at: number; readonly by: string }
  /** The head that was signed last, where the chain does not have it. */
  readonly lost?: AuditHead
  /** Losses that were accepted, the oldest first. Never left out of a verdict. */
  readonly accepted?: ReadonlyArray<AcceptedGap>
}

/** Rows that were signed behind `kept`, up to `lost`, are gone; the chain goes on from `from`. */
export interface AcceptedGap {
  readonly lost: AuditHead
  /** Null: nothing that was signed before is there any more. */
  readonly kept: AuditHead | null
  readonly from: AuditHead
  readonly at: number
  readonly by: string
  readonly reason: string
}

/** What one piece of a cut took away, as it was signed. */
export interface CutAnswer extends AuditStub {
  readonly publicKey: string
  /** More may go: ask again. */
  readonly more: boolean
}

/** A checkpoint as it is announced, for whoever keeps it with an export. */
export interface SignedAnswer extends AuditCheckpoint {
  readonly publicKey: string
  /** The steps from the first signing key to the newest, the newest first, `keyLinksMax` of them at most. */
  readonly links: ReadonlyArray<AuditKeyLink>
}
/** Steps between signing keys that one answer tells. */
export const keyLinksMax = 256

export class Audit extends Context.Service<
  Audit,
  {
    /** Oldest first. That it was read is in the audit of `global` before it is answered, as is every verification. */
    readonly list: (
      tenantId: string,
      request: AuditListRequest,
      caller: AuditCaller
    ) => Effect.Effect<Page<AuditRow>, ChangeError | ReadError>
    readonly verify: (
      tenantId: string,
      range: AuditRange,
      caller: AuditCaller
    ) => Effect.Effect<AuditVerdict, ChangeError | ReadError | AuditRangeTooLong>
    /**
     * All rows that there are under a tenant's name, for an auditor of the platform: of a tenant that was
     * removed, and of one that had its name before. A tenant that lives has the row that says so, too.
     */
    readonly listAny: (
      tenantId: string,
      request: AuditListRequest,
      caller: AuditCaller
    ) => Effect.Effect<Page<AuditRow>, ChangeError | ReadError>
    /**
     * Puts a signed note into the chain about a row whose text was lost when it was stored, so that it verifies.
     * Refused for a row that holds, and for one that was changed.
     */
    readonly repair: (
      tenantId: string,
      seq: number,
      caller: AuditCaller
    ) => Effect.Effect<void, ChangeError | ReadError>
    /** The present head, signed: of a tenant that lives as a checkpoint of its own, of a removed one by itself. */
    readonly sign: (tenantId: string, caller: AuditCaller) => Effect.Effect<SignedAnswer, ChangeError | ReadError>
    /**
     * Accepts, with a signed checkpoint of its own kind, that the chain has lost what was signed up to `lost`: after
     * a backup was put back. Refused when it is not the head that was signed last, when nothing is lost, and when the
     * rows that are there do not hold by themselves. Asked again for the same head, it answers the same.
     */
    readonly accept: (
      tenantId: string,
      request: { readonly lost: AuditHead; readonly reason: string },
      caller: AuditCaller
    ) => Effect.Effect<SignedAnswer, ChangeError | ReadError>
    /**
     * Takes rows away from the beginning of a chain, those before `before`, up to a row that was signed; one piece,
     * which a signed stub stands for from then on. Null: there is nothing that may go. Never of a chain that is broken.
     */
    readonly cut: (
      tenantId: string,
      before: AuditBound,
      caller: AuditCaller
    ) => Effect.Effect<CutAnswer | null, ChangeError | ReadError>
    /** Leaves a row in `global` about what an operator did, as far as one can be written. */
    readonly tell: (act: AuditAct, caller: AuditCaller) => Effect.Effect<void>
  }
>()("cm/actors/Audit") {}
