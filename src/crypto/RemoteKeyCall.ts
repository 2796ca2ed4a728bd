/**
 * One call to a remote store of keys, bounded: so long for each try, so many tries, and only what
 * may pass by itself is tried again. Wrapping and opening may both be repeated: a lost answer costs
 * a call and nothing else.
 */
import { Duration, Effect, Schedule } from "effect"
import { MasterKeyError } from "./MasterKey.ts"

/** Tries in all, the first included. */
export const triesMax = 4
/** Pauses between tries: this, doubled each time, with jitter. */
const firstPause = Duration.millis(50)

const schedule = Schedule.exponential(firstPause).pipe(Schedule.jittered)

/** `call` as one try; `what` names it for the error of a time-out. */
export const bounded = <A>(
  call: Effect.Effect<A, MasterKeyError>,
  what: Pick<MasterKeyError, "operation" | "masterKeyId">,
  timeout: Duration.Duration
): Effect.Effect<A, MasterKeyError> =>
  call.pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.fail(
          new MasterKeyError({ ...what, reason: "TimedOut", detail: `no answer within ${Duration.format(timeout)}` })
        )
    }),
    Effect.retry({ schedule, times: triesMax - 1, while: (error) => error.isRetryable })
  )
