/**
 * Work that nobody asked for by request: what has expired, what was removed, what is too old.
 *
 * Replicas share it. `claim` hands a named sweep to one process for a while by the database's
 * clock (a replica's name is not enough: two processes may be given the same by mistake); what a sweep changes goes through `TenantStore.transact`, so doing it twice does it once.
 */
import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "./StoreError.ts"

/**
 * No claim is for longer, whatever is set. One that ends later was written by somebody else, or the database's clock was put
 * back: it is nobody's, or that work would rest for so long.
 */
export const claimMsMax = 600_000

export class Sweeps extends Context.Service<
  Sweeps,
  {
    readonly claim: (sweep: string, process: string, ttlMs: number) => Effect.Effect<boolean, StoreUnavailable>
    /**
     * As `claim`, for sweeps that look all the time: what this process claimed is its own for the first half of `ttlMs` without
     * being asked for again, so a look that finds nothing writes nothing. For work that does once what it does twice, since a
     * `true` makes no claim longer in that half.
     */
    readonly hold: (sweep: string, process: string, ttlMs: number) => Effect.Effect<boolean, StoreUnavailable>
    /** Gives up all that the process has claimed, so that nobody waits for its time to be over. */
    readonly release: (process: string) => Effect.Effect<void, StoreUnavailable>
    /** Tokens whose end has come and whose status does not say so yet, by an index, oldest end first; `place`: an endpoint in an application. */
    readonly endedTokens: (
      limit: number
    ) => Effect.Effect<
      ReadonlyArray<{ readonly tenantId: string; readonly tokenId: string; readonly place: string }>,
      StoreUnavailable
    >
    /** Tokens that still stand under a removed application or tenant, with their `place`. */
    readonly orphanedTokens: (
      limit: number
    ) => Effect.Effect<
      ReadonlyArray<{ readonly tenantId: string; readonly tokenId: string; readonly place: string }>,
      StoreUnavailable
    >
    /** Deletes the rows of removed applications and tenants that no token needs any more, so that names are free again. A removed tenant's data keys end before its row goes. */
    readonly purgeRemoved: Effect.Effect<{ readonly applications: number; readonly tenants: number }, StoreUnavailable>
    /** Deletes idempotent answers older than `ageMs`, at most `limit`. */
    readonly purgeIdempotent: (ageMs: number, limit: number) => Effect.Effect<number, StoreUnavailable>
    /** Where numbers that the database gives to rows have run away, they are put back; names the tables. */
    readonly putNumbersBack: Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  }
>()("cm/store/Sweeps") {}
