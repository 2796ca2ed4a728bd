/** What refreshes are made of, made once for a replica; each module says which of it is its own business. */
import type { Effect } from "effect"
import type * as DescribeCache from "../actors/credentials/DescribeCache.ts"
import type { GrantTiming } from "../domain/Grant.ts"
import type * as Seldom from "../observability/Seldom.ts"
import type { GuardOptions } from "../platform/GuardedHttp.ts"
import type { HeldTurns } from "./HeldTurns.ts"
import type { RefreshReading } from "./RefreshReading.ts"
import type { RefreshWork } from "./RefreshWork.ts"
import type { StoredAnswers } from "./StoredAnswers.ts"

export interface RefreshParts {
  readonly describeCache: Effect.Success<typeof DescribeCache.make>
  readonly timing: GrantTiming
  readonly guard: GuardOptions
  readonly changedRows: Seldom.Seldom
  readonly work: RefreshWork
  readonly reading: RefreshReading
  readonly turns: HeldTurns
  readonly answers: StoredAnswers
}
