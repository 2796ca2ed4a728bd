/**
 * What is due is refreshed, in claimed pieces: each replica takes a few, those nearest to their final end
 * first, each provider's in turn, and nobody else is given them for a while.
 *
 * Bounded: so many are under way at most, and of one tenant no more than leaves room for others (`store/FairPick.ts`), however
 * long its providers take; the rest waits in the database. While more is due than there is
 * room for, the next look follows as soon as one has ended and hardly any wait to begin; else after
 * `CM_REFRESH_INTERVAL`. What was taken and not begun, because the replica died or the provider's rate is used up,
 * is given out again. Once the stop was begun nothing is taken.
 */
import { Duration, Effect, FiberSet, Latch, Layer } from "effect"
import { Refresher } from "../actors/credentials/Refresher.ts"
import * as Loop from "../observability/Loop.ts"
import { Shutdown } from "../observability/Shutdown.ts"
import { DueWork } from "../store/DueWork.ts"
import { RefreshStore } from "../store/RefreshStore.ts"
import { RefreshConfig } from "./RefreshConfig.ts"

/** Two looks are never nearer to each other, so that those that end together are followed together. */
const restMs = 20
/**
 * With more of those that were taken and have not begun no more are taken: a look at a backlog is dear, and what has
 * not begun is not counted against its provider's room, so that others would be taken for nothing.
 */
const waitingMax = 2

/** Needs `Refresher`, `RefreshStore`, `RefreshConfig`, `Shutdown`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { interval, piece } = yield* RefreshConfig
    const store = yield* RefreshStore
    const refresher = yield* Refresher
    const shutdown = yield* Shutdown
    const some = yield* (yield* DueWork).seek({ work: ["refreshes that are due"], every: interval })
    const underWay = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(underWay)<never>()
    const ended = Latch.makeUnsafe(false)
    const ofTenants = new Map<string, number>()
    const count = (tenantId: string, by: 1 | -1) => {
      const left = (ofTenants.get(tenantId) ?? 0) + by
      if (left === 0) ofTenants.delete(tenantId)
      else ofTenants.set(tenantId, left)
    }

    const look = Effect.gen(function* () {
      if (yield* shutdown.isRequested) return false
      const room = piece - (yield* FiberSet.size(underWay))
      if (room <= 0 || refresher.waitingUnsafe() > waitingMax) return true
      const { more, refs } = yield* store.pick(room, ofTenants)
      for (const { credentialId, tenantId } of refs) {
        count(tenantId, 1)
        const ends = Effect.andThen(
          Effect.sync(() => count(tenantId, -1)),
          ended.open
        )
        fork(Effect.ensuring(refresher.due(tenantId, credentialId), ends))
      }
      return more
    }).pipe(
      Effect.catchTag("StoreUnavailable", ({ operation }) =>
        Effect.as(Effect.logWarning("refreshes wait for the database").pipe(Effect.annotateLogs({ operation })), false)
      )
    )
    const turn = Effect.gen(function* () {
      yield* ended.close
      const more = yield* look
      if (!more) return yield* some
      yield* Effect.sleep(restMs)
      yield* Effect.timeoutOption(ended.await, Duration.toMillis(interval))
    })
    yield* Effect.forkScoped(Loop.forever("refresh", turn))
  })
)
