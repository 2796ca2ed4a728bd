/**
 * Tells the store what is in force, so that its events may leave; nobody's answer waits for that.
 *
 * Promises:
 * - whatever is enqueued is told, whatever fails meanwhile; when the scope closes it is tried once more;
 * - what comes alone is told at once. Of revocations one after the other the store is told no denser than `markEvery`:
 *   what that takes, and the events behind it, would be met by the next one;
 * - `tellNowUnsafe` ends the rest that is going on: somebody waits for the store.
 */
import { Duration, Effect, Metric, Queue, Schedule } from "effect"
import * as Loop from "../observability/Loop.ts"
import { Outbox } from "../store/Outbox.ts"
import * as Metrics from "./CoherenceMetrics.ts"
import type { Pending } from "./Rounds.ts"

export const markEvery = Duration.millis(25)
const markAgain = Schedule.spaced("250 millis")
const lastMarkLimit = Duration.seconds(1)

export interface InForceMarks {
  readonly enqueueUnsafe: (batch: ReadonlyArray<Pending>) => void
  readonly tellNowUnsafe: () => void
}

/** `told` hears of which tenants the store was told; it must not throw. Needs a scope. */
export const make = Effect.fnUntraced(function* (told: (tenantIds: ReadonlyArray<string>) => void) {
  const outbox = yield* Outbox
  let inForce: Array<Pending> = []
  const arrivals = yield* Queue.sliding<void>(1)
  const waiters = yield* Queue.sliding<void>(1)

  const mark = Effect.gen(function* () {
    // A word may be left of what was told since.
    while (inForce.length === 0) yield* Queue.take(arrivals)
    const pending = inForce
    inForce = []
    const keys = pending.map(({ revocation: { seq, tenantId } }) => ({ tenantId, seq }))
    yield* outbox.markInForce(keys).pipe(
      Effect.tapError(() => Metric.update(Metrics.markRetries, 1)),
      Effect.retry(markAgain),
      Effect.onError(() =>
        Effect.sync(() => {
          inForce = [...pending, ...inForce]
        })
      )
    )
    for (const one of pending) one.told()
    told(Array.from(new Set(keys.map(({ tenantId }) => tenantId))))
  })
  const rest = Effect.timeoutOption(Queue.take(waiters), markEvery)

  // What is in force when this ends: else the relay would carry it once more, two leases later.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => (inForce.length === 0 ? Effect.void : mark)).pipe(
      Effect.timeoutOption(lastMarkLimit),
      Effect.ignore
    )
  )
  yield* Effect.forkScoped(Loop.forever("in force", Effect.andThen(Effect.orDie(mark), rest)))

  const marks: InForceMarks = {
    enqueueUnsafe: (batch) => {
      inForce.push(...batch)
      Queue.offerUnsafe(arrivals, undefined)
    },
    tellNowUnsafe: () => {
      Queue.offerUnsafe(waiters, undefined)
    }
  }
  return marks
})
