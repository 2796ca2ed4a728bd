/**
 * What is due, sifted: where somebody who writes to the database has changed thousands of rows, or put them there, each would
 * be picked, read and put to rest in its turn, at the pace of its queue, and a real grant of that queue wait behind them all.
 *
 * So who meets one begins a walk over what is due: rows that are not what the service wrote rest, a page at a time.
 * Bounded: one walk at a time in a replica, one a second at most, so many pages each; the next one goes on where it
 * stopped. It is a help and no promise: one that fails is told, and those rows have their turns.
 */
import { Clock, Effect } from "effect"
import { credentialChanged, tellChanged } from "../actors/tenant/RowTagging.ts"
import { Keyring } from "../crypto/Keyring.ts"
import * as RowTags from "../crypto/RowTags.ts"
import * as Seldom from "../observability/Seldom.ts"
import { type DuePlace, RefreshStore } from "../store/RefreshStore.ts"

/** Read and compared in one go, with the rows locked: some milliseconds. */
const pageMax = 256
const pagesMax = 16
const everyMs = 1_000

/** `forMs`: how long they rest. */
export const make = Effect.fnUntraced(function* (forMs: number, changedRows: Seldom.Seldom) {
  const store = yield* RefreshStore
  const { rowHolds } = yield* Keyring
  const failures = yield* Seldom.make
  let place: DuePlace | null = null
  let isUnderWay = false
  let beganMs = Number.NEGATIVE_INFINITY

  const page = Effect.gen(function* () {
    const { changed, next } = yield* store.sift({
      after: place,
      limit: pageMax,
      holds: (credential) => rowHolds(credential.mac, RowTags.ofCredential(credential)),
      forMs
    })
    place = next
    for (const { credentialId, tenantId } of changed) {
      yield* tellChanged(tenantId, credentialChanged(credentialId), changedRows)
    }
  })
  const walk = Effect.gen(function* () {
    for (let pages = 0; pages < pagesMax; pages++) {
      yield* page
      if (place === null) return
    }
  })
  /** Nothing, where one is under way or was just begun. */
  return Effect.suspend(() => {
    if (isUnderWay) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
      if (isUnderWay || (nowMs >= beganMs && nowMs - beganMs < everyMs)) return Effect.void
      isUnderWay = true
      beganMs = nowMs
      return walk.pipe(
        Effect.catchCause((cause) =>
          failures.tell(Effect.logWarning("what is due could not be sifted: changed rows have their turns", cause))
        ),
        Effect.ensuring(
          Effect.sync(() => {
            isUnderWay = false
          })
        )
      )
    })
  })
})
