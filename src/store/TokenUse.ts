/**
 * Last use of tokens, recorded in batches, forward only. No version changes, no event, no audit.
 */
import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "./StoreError.ts"

export interface TokenUsed {
  readonly tokenId: string
  readonly usedAt: number
}

export class TokenUse extends Context.Service<
  TokenUse,
  {
    /** At most 10,000 a call. An older time than the row's changes nothing; an unknown id is passed over. */
    readonly record: (uses: ReadonlyArray<TokenUsed>) => Effect.Effect<void, StoreUnavailable>
  }
>()("cm/store/TokenUse") {}
