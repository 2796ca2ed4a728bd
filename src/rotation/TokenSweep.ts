/**
 * A sweep over tokens: finds them by an index, and hands them to their tenants in bounded pieces.
 *
 * Promises: one replica at a time works on a sweep (by a claim); two at once would do nothing twice,
 * because a piece is idempotent. A tenant whose pieces fail is left out for the rest of the pass and
 * does not keep others waiting. A pass ends when nothing is left that could be done.
 */
import { Duration, Effect, Metric } from "effect"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { DueWork, type Sought } from "../store/DueWork.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { Sweeps } from "../store/Sweeps.ts"
import { SweepConfig } from "./SweepConfig.ts"

export interface TokenRef {
  readonly tenantId: string
  readonly tokenId: string
  /** Tokens of the same place go into one piece, as far as one can hold them: they are told by one event. */
  readonly place?: string
}

/** Tokens found by one statement; more when those of failing tenants stand in front. */
const pageMax = 2_000
const pageLargest = 64_000
const releaseLimit = "2 seconds"
/** Tenants worked on at once. */
const tenantsAtOnce = 4

const swept = Metric.counter("cm_sweep_tokens_total", { description: "Tokens that a sweep changed", incremental: true })
const failed = Metric.counter("cm_sweep_failures_total", {
  description: "Pieces of a sweep that failed and are tried again",
  incremental: true
})

/** Each place's tokens together, places in the order in which their first was found. */
const byPlace = (tokens: ReadonlyArray<TokenRef>): ReadonlyArray<ReadonlyArray<TokenRef>> =>
  Array.from(Map.groupBy(tokens, ({ place, tokenId }) => place ?? tokenId).values())

/**
 * By tenant, each tenant's in pieces of at most `pieceMax`, both in the order in which they were found, but that a place's
 * tokens stand together: in one piece, unless they are more than one can hold.
 */
export const piecesOf = (
  tokens: ReadonlyArray<TokenRef>,
  pieceMax: number
): ReadonlyArray<readonly [tenantId: string, pieces: ReadonlyArray<ReadonlyArray<string>>]> => {
  const tenants = Map.groupBy(tokens, ({ tenantId }) => tenantId)
  return Array.from(tenants, ([tenantId, found]) => {
    const pieces: Array<Array<string>> = []
    for (const together of byPlace(found)) {
      for (let from = 0; from < together.length; from += pieceMax) {
        const ids = together.slice(from, from + pieceMax).map(({ tokenId }) => tokenId)
        const last = pieces.at(-1)
        if (last === undefined || last.length + ids.length > pieceMax) pieces.push(ids)
        else last.push(...ids)
      }
    }
    return [tenantId, pieces] as const
  })
}

export interface TokenSweep<E, R> {
  readonly name: string
  readonly find: (limit: number) => Effect.Effect<ReadonlyArray<TokenRef>, StoreUnavailable, R>
  /** One piece, one transaction. Answers how many tokens it changed. */
  readonly change: (tenantId: string, tokenIds: ReadonlyArray<string>) => Effect.Effect<number, E, R>
}

/** Whether this replica may go on with the sweep; asked for each page. */
export const claim = Effect.fnUntraced(function* (sweep: string) {
  const sweeps = yield* Sweeps
  const { process } = yield* Replica
  const { claimTtl } = yield* SweepConfig
  return yield* sweeps.hold(sweep, process, Duration.toMillis(claimTtl))
})

/** One pass. Answers how many tokens were changed; 0 when another replica has the sweep. */
export const pass = Effect.fnUntraced(function* <E extends { readonly _tag: string }, R>(sweep: TokenSweep<E, R>) {
  const { pieceMax } = yield* SweepConfig
  const attributes = { sweep: sweep.name }
  const leftOut = new Set<string>()

  const ofTenant = Effect.fnUntraced(function* (tenantId: string, pieces: ReadonlyArray<ReadonlyArray<string>>) {
    let changed = 0
    for (const tokenIds of pieces) {
      const result = yield* Effect.result(sweep.change(tenantId, tokenIds))
      if (result._tag === "Failure") {
        leftOut.add(tenantId)
        yield* Metric.update(Metric.withAttributes(failed, attributes), 1)
        yield* Effect.logWarning("a sweep of tokens will be tried again").pipe(
          Effect.annotateLogs({ ...attributes, tenantId, reason: result.failure._tag })
        )
        return changed
      }
      changed += result.success
    }
    return changed
  })

  let total = 0
  let limit = pageMax
  while (yield* claim(sweep.name)) {
    const found = yield* sweep.find(limit)
    const open = found.filter(({ tenantId }) => !leftOut.has(tenantId))
    const counts = yield* Effect.forEach(piecesOf(open, pieceMax), ([tenantId, pieces]) => ofTenant(tenantId, pieces), {
      concurrency: tenantsAtOnce
    })
    const changed = counts.reduce((sum, one) => sum + one, 0)
    yield* Metric.update(Metric.withAttributes(swept, attributes), changed)
    total += changed
    if (found.length < limit) break
    // A full page of tokens that did not change: look behind them.
    if (changed === 0) {
      if (limit >= pageLargest) break
      limit = Math.min(limit * 2, pageLargest)
    }
  }
  return total
})

/** An orderly stop leaves no claim behind for which the next process would wait. Before the work, to come after it. */
export const releaseAtEnd = Effect.gen(function* () {
  const sweeps = yield* Sweeps
  const { process } = yield* Replica
  yield* Effect.addFinalizer(() => sweeps.release(process).pipe(Effect.ignore, Effect.timeoutOption(releaseLimit)))
})

/**
 * Runs `work` now and then whenever there may be some, by a look each interval, for as long as the scope lives. What fails is
 * tried with the next look.
 */
export const forkEvery = Effect.fnUntraced(function* <R>(
  sweep: string,
  sought: Omit<Sought, "every">,
  work: Effect.Effect<unknown, StoreUnavailable, R>
) {
  const { interval } = yield* SweepConfig
  const some = yield* (yield* DueWork).seek({ ...sought, every: interval })
  const look = work.pipe(
    Effect.catchTag("StoreUnavailable", ({ operation }) =>
      Effect.logWarning("a sweep waits for the database").pipe(Effect.annotateLogs({ sweep, operation }))
    ),
    Effect.andThen(some)
  )
  yield* Effect.forkScoped(Loop.forever(sweep, look))
})
