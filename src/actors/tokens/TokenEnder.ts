/**
 * The port of the sweeps to the tenants: what `rotation` asks for, `actors` does.
 *
 * Each call is one transaction of one tenant. Both are idempotent: a token that has ended already, or
 * is gone, is passed over and not counted.
 */
import { Context, type Effect } from "effect"
import type { RevokeAll } from "../../store/RevokeAll.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import type { ChangeError } from "../tenant/Tenants.ts"

export class TokenEnder extends Context.Service<
  TokenEnder,
  {
    /** Makes tokens Revoked whose end has come by the database's clock, with their events. Answers how many. */
    readonly endTokens: (tenantId: string, tokenIds: ReadonlyArray<string>) => Effect.Effect<number, ChangeError>
    /** Deletes tokens of a removed application or tenant, with their events. Answers how many. */
    readonly purgeTokens: (tenantId: string, tokenIds: ReadonlyArray<string>) => Effect.Effect<number, ChangeError>
    /** Populations that are being revoked and are not finished, of all tenants, the oldest first. */
    readonly openRevokeAlls: (limit: number) => Effect.Effect<ReadonlyArray<RevokeAll>, StoreUnavailable>
    /** Goes on with one: at most `limit` tokens, or its end. Answers how many tokens it revoked. */
    readonly revokeAllPiece: (one: RevokeAll, limit: number) => Effect.Effect<number, ChangeError>
  }
>()("cm/actors/TokenEnder") {}
