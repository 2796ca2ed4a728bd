/**
 * Where the audit is read: rows of a tenant's chain, its head, and the signed checkpoints of it.
 *
 * Rows are written by `TenantStore.transact` only, in the transaction of what they tell of, never changed, and
 * deleted by `AuditCuts` only. Whether they still are what was written is for `actors/Audit`
 * to say: a store only reads.
 *
 * Its layers: `MemoryAuditStore.ts`, `MariaAuditStore.ts`. Both pass `test/suites/auditStoreSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { Page } from "../domain/Page.ts"
import type { AuditRow } from "./AuditChain.ts"
import type { StoreUnavailable } from "./StoreError.ts"

/** What an operator accepted as lost, after a restore: the chain goes on from another head than the one signed last. */
export interface AcceptedLoss {
  /** The head that was signed and announced, and is not in the chain. */
  readonly lost: AuditHead
  /** Who accepted it, as the audit names them. */
  readonly by: string
  readonly reason: string
}

/** The head of a chain at one moment, signed, so that a tail that is cut off later is seen. */
export interface AuditCheckpoint {
  readonly tenantId: string
  readonly seq: number
  /** Hash of the row `seq`, lower-case hex. */
  readonly hash: string
  /** UNIX milliseconds, when it was signed. */
  readonly at: number
  /** 1, 2, 3… within a tenant; null for one of before they were counted. */
  readonly number: number | null
  /** The one that was signed before, up to which the chain was found whole; null for the first. */
  readonly previous: AuditHead | null
  /**
   * Only of one by which a loss was accepted: `previous` is the last signed head that the chain still has, null for
   * none; all that was signed between that one and this one is given up.
   */
  readonly accepted?: AcceptedLoss | undefined
  readonly keyId: string
  /** Ed25519 over `AuditCheckpointBytes.signedBytes`, 64 bytes. */
  readonly signature: Uint8Array
}

/** An end of a range: a sequence number or a time, both inclusive; null: open. */
export type AuditBound = { readonly seq: number } | { readonly at: number } | null

export interface AuditQuery {
  readonly entityId: string | null
  readonly action?: string | undefined
  readonly from: AuditBound
  readonly to: AuditBound
  readonly limit: number
  /** `next` of the page before: the last sequence number seen. Ascending. */
  readonly after: string | null
}

export interface AuditHead {
  /** 0 before the first row. */
  readonly seq: number
  readonly hash: string
}

export interface TenantHead extends AuditHead {
  readonly tenantId: string
  /** `seq` of its newest checkpoint, 0 without one. */
  readonly signedSeq: number
}

export class AuditStore extends Context.Service<
  AuditStore,
  {
    readonly list: (tenantId: string, query: AuditQuery) => Effect.Effect<Page<AuditRow>, StoreUnavailable>
    /**
     * The first row of the tenant as it is now: the one of its creation. Those before it are of one that had
     * its name before. 1 when that row is not to be found. For lists: a row is believed what it says.
     */
    readonly beginning: (tenantId: string) => Effect.Effect<number, StoreUnavailable>
    /** As the tenant's counters say, whatever the rows are. */
    readonly head: (tenantId: string) => Effect.Effect<AuditHead, StoreUnavailable>
    /** With `seq` of at least `fromSeq`, ascending, at most `limit`. */
    readonly checkpoints: (
      tenantId: string,
      fromSeq: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<AuditCheckpoint>, StoreUnavailable>
    /** The one with the highest `seq`. */
    readonly newestCheckpoint: (tenantId: string) => Effect.Effect<AuditCheckpoint | null, StoreUnavailable>
    /** Tenants that are there, by id, after `after`, at most `limit`: whose heads the checkpoints have to reach. */
    readonly heads: (after: string, limit: number) => Effect.Effect<ReadonlyArray<TenantHead>, StoreUnavailable>
  }
>()("cm/store/AuditStore") {}
