/**
 * Last use of tokens, recorded in batches, forward only. No version changes, no event, no audit.
 */
import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "./StoreError.ts"

/** Their rows are locked together, so that many of them would keep changes of tokens waiting. */
export const usesPerCallMax = 256

export interface TokenUsed {
  readonly tokenId: string
  readonly usedAt: number
}

export class TokenUse extends Context.Service<
  TokenUse,
  {
    /** At most `usesPerCallMax`. An older time than the row's changes nothing; an unknown id is passed over. */
    readonly record: (uses: ReadonlyArray<TokenUsed>) => Effect.Effect<void, StoreUnavailable>
  }
>()("cm/store/TokenUse") {}
