/**
 * Refreshes that are under way here, one for each credential: who asks joins the one there is.
 *
 * Promises: each runs on a fibre that nobody's going away ends; an answer that is stored and could not be settled is tried
 * again until it is; what fails rests, so that it is not picked at once again, and a bug is told.
 */
import { Cause, Deferred, Duration, Effect, Random } from "effect"
import { isAnswer } from "../domain/Credential.ts"
import * as errors from "../domain/errors.ts"
import type { GrantTiming } from "../domain/Grant.ts"
import * as Seldom from "../observability/Seldom.ts"
import { Shutdown } from "../observability/Shutdown.ts"
import { RefreshStore } from "../store/RefreshStore.ts"
import * as DueSift from "./DueSift.ts"
import { type Ended, failed, failedBehind, isAway } from "./Ended.ts"
import type { Attempt, Course } from "./RefreshAttempt.ts"
import { type Asking, type Job, ofNobody } from "./RefreshJob.ts"
import type { RefreshWork } from "./RefreshWork.ts"

/** An answer that could not be settled is tried again after so long, then twice as long, until its claim runs out. */
const settleAgainMs = 1_000
/** Nothing mends a changed row by itself, nor a secret that cannot be opened: who put it right asks, or waits so long. */
const restMs = 3_600_000
/** What cannot be read at all may be a fault of ours, and is mended by a start. */
const unreadRestMs = 300_000

export const make = Effect.fnUntraced(function* (
  timing: GrantTiming,
  { fork, hurry, inTurn, place, rest, stopsBefore }: RefreshWork,
  attempt: Attempt,
  changedRows: Seldom.Seldom
) {
  const shutdown = yield* Shutdown
  const store = yield* RefreshStore
  const deaths = yield* Seldom.make
  const sift = yield* DueSift.make(restMs, changedRows)
  const flights = new Map<string, { readonly ended: Deferred.Deferred<Ended>; readonly job: Job }>()

  const whole = (job: Job): Effect.Effect<Ended> => {
    const course: Course = { isKept: false, version: null }
    return Effect.matchCauseEffect(inTurn(job, attempt(job, course)), {
      onSuccess: (ended) => Effect.succeed(ended),
      onFailure: (cause) => {
        if (course.isKept && (isAway(cause) || Cause.hasDies(cause))) settleSoon(job)
        const error = cause.reasons.find((reason) => reason._tag === "Fail")?.error
        if (error !== undefined) {
          const ended = failed(course.isKept ? failedBehind(error) : error)
          if (error._tag !== "RowChanged" || job.asked) return Effect.succeed(ended)
          // One that was changed is seldom alone.
          const others = Effect.flatMap(stopsBefore(job), (stops) => (stops ? Effect.void : sift))
          return Effect.andThen(rest(job, course.version, restMs), () => {
            fork(others)
            return Effect.succeed(ended)
          })
        }
        const died = cause.reasons.find((reason) => reason._tag === "Die")
        const { credentialId, tenantId } = job
        return Effect.logError("a refresh died", cause).pipe(
          Effect.annotateLogs({ tenantId, credentialId }),
          deaths.tell,
          Effect.andThen(course.version === null ? rest(job, null, unreadRestMs) : Effect.void),
          Effect.as(
            died === undefined
              ? failed(new errors.Unavailable({ part: "refresh", committed: null }))
              : ({ _tag: "Died", defect: died.defect } as const)
          )
        )
      }
    })
  }

  /**
   * An answer of this replica's own is stored, and was not settled: tried again long before its claim runs out, less and
   * less often, and each time as one of those that nobody waits for, so that many are no storm. A stop waits for it: once that
   * is begun it is tried at once, and then with the shortest pause, as long as something is away and nothing else in its way.
   */
  const settleSoon = ({ credentialId, tenantId }: Asking, afterMs = settleAgainMs): void => {
    if (afterMs > timing.claimMs) return
    const isLeft = Effect.match(store.standing(tenantId, credentialId), {
      onFailure: () => true,
      onSuccess: (standing) => standing?.versions.some(isAnswer) === true
    })
    const again = Effect.gen(function* () {
      const pause = Effect.sleep(Duration.millis(afterMs * (1 - 0.2 * (yield* Random.next))))
      yield* (yield* shutdown.isRequested) ? pause : Effect.raceFirst(pause, shutdown.requested)
      if (!(yield* isLeft)) return
      const asking = ofNobody(tenantId, credentialId)
      const ended = yield* join(asking)
      if (!(yield* shutdown.isRequested)) return settleSoon(asking, afterMs * 2)
      if (ended._tag === "Failed" && isAway(Cause.fail(ended.error))) settleSoon(asking)
    })
    fork(again)
  }

  /** Joins the one that is under way here, or starts one on a fibre of its own. */
  const join = (asking: Asking): Effect.Effect<Ended> =>
    Effect.suspend(() => {
      const key = `${asking.tenantId}/${asking.credentialId}`
      const under = flights.get(key)
      if (under !== undefined) {
        // What nobody waited for until now need not stand in a line any more.
        if (asking.asked) hurry(under.job)
        const awaited = Deferred.await(under.ended)
        return Effect.flatMap(awaited, (ended) => {
          // What nobody waited for may have been put off; what another one expected is not what this one does.
          const isPutOff = asking.asked && !under.job.asked && ended._tag === "Idle"
          const isOthers = ended._tag === "Failed" && ended.error._tag === "VersionConflict"
          return isPutOff || (isOthers && asking.expectedVersion === null) ? join(asking) : Effect.succeed(ended)
        })
      }
      const ended = Deferred.makeUnsafe<Ended>()
      const job: Job = { ...asking, place: place(asking.asked) }
      flights.set(key, { ended, job })
      const ends = (result: Ended) =>
        Effect.suspend(() => {
          flights.delete(key)
          return Deferred.succeed(ended, result)
        })
      // Also by a bug in what is said of it: nobody joins what ends never.
      const whatever = Effect.catchDefect(whole(job), (defect) =>
        Effect.as(deaths.tell(Effect.logError("a refresh died", defect)), { _tag: "Died", defect } as const)
      )
      fork(Effect.flatMap(whatever, ends).pipe(Effect.asVoid, Effect.uninterruptible))
      return Deferred.await(ended)
    })

  return { join }
})
