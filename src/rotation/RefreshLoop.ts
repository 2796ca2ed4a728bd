/**
 * What is due is refreshed, in claimed pieces: each replica takes a few, by an index, those nearest to
 * their final end first, and nobody else is given them for a while.
 *
 * Bounded: so many are under way at most; the rest waits in the database. What was taken and not begun,
 * because the replica died or the provider's rate is used up, is given out again.
 */
import { Duration, Effect, FiberSet, Layer } from "effect"
import { Refresher } from "../actors/credentials/Refresher.ts"
import * as Loop from "../observability/Loop.ts"
import { RefreshStore } from "../store/RefreshStore.ts"
import { RefreshConfig } from "./RefreshConfig.ts"

/** Due work begins within 20 s, so what was not begun comes again before that. */
const againMs = 15_000

/** Needs `Refresher`, `RefreshStore`, `RefreshConfig`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { interval, piece } = yield* RefreshConfig
    const store = yield* RefreshStore
    const refresher = yield* Refresher
    const underWay = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(underWay)<never>()

    const look = Effect.gen(function* () {
      const room = piece - (yield* FiberSet.size(underWay))
      if (room <= 0) return
      for (const { credentialId, tenantId } of yield* store.pick(room, againMs, [])) {
        fork(refresher.due(tenantId, credentialId))
      }
    }).pipe(
      Effect.catchTag("StoreUnavailable", ({ operation }) =>
        Effect.logWarning("refreshes wait for the database").pipe(Effect.annotateLogs({ operation }))
      ),
      Effect.andThen(Effect.sleep(Duration.toMillis(interval)))
    )
    yield* Effect.forkScoped(Loop.forever("refresh", look))
  })
)
