/**
 * Cutting an audit: rows from its beginning go, and a signed stub says what they were.
 *
 * A stub names the last row that was cut and its hash, so that the rest of the chain is anchored in it. It is
 * saved before the first row goes; a cut that was interrupted has left rows that the stub covers, which go
 * later. Whether a stub is the service's own is for `actors/audit/Cuts` to say, from its signature: nothing
 * here believes one, and nothing is erased but what the caller names.
 *
 * Its layers: `MemoryAuditCuts.ts`, `MariaAuditCuts.ts`. Both pass `test/suites/auditStoreSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "./StoreError.ts"

export interface AuditStub {
  readonly tenantId: string
  /** The first row of this cut; those before it went with earlier ones. */
  readonly first: number
  /** Up to this row, all are gone. */
  readonly last: number
  /** Of the row `last`, lower-case hex. */
  readonly hash: string
  readonly count: number
  /** The actor who asked for it; the service for what its retention ended. */
  readonly by: string
  /** UNIX milliseconds. */
  readonly at: number
  readonly keyId: string
  /** Ed25519 over `stubBytes`. */
  readonly signature: Uint8Array
}

/** What a stub signs: one text, so that anyone can make it from a row or an export. */
export const stubBytes = (stub: Omit<AuditStub, "keyId" | "signature">): Uint8Array => {
  const { at, by, count, first, hash, last, tenantId } = stub
  return new TextEncoder().encode(JSON.stringify(["cm-audit-stub-1", tenantId, first, last, hash, count, by, at]))
}

export class AuditCuts extends Context.Service<
  AuditCuts,
  {
    /** The newest stub of a tenant's chain, whoever wrote it. */
    readonly stub: (tenantId: string) => Effect.Effect<AuditStub | null, StoreUnavailable>
    /** Takes the place of one that reaches less far, and of no other. */
    readonly save: (stub: AuditStub) => Effect.Effect<void, StoreUnavailable>
    /** Deletes rows up to `last`, the oldest first, at most `limit`. Answers how many. */
    readonly erase: (tenantId: string, last: number, limit: number) => Effect.Effect<number, StoreUnavailable>
    /** Tenants that have rows which their stub covers. By id, after `after`. */
    readonly unfinished: (after: string, limit: number) => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
    /** Names that no tenant has any more, whose audit still has its last row, and nothing since `ageMs`. By id, after `after`. */
    readonly abandoned: (
      ageMs: number,
      after: string,
      limit: number
    ) => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  }
>()("cm/store/AuditCuts") {}
