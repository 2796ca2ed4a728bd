/**
 * One HTTP request to another system, and its whole answer, bounded in time and in bytes.
 *
 * No redirect is followed: it would carry our token elsewhere. The status is the caller's to judge.
 * Tries that failed by the network, by time or by a passing status are repeated a few times; asking
 * twice changes nothing there.
 */
import { Duration, Effect, Schedule } from "effect"
import { BodyTooLong, readBody, textOf } from "../http/BoundedBody.ts"
import { PlatformError, type PlatformReason } from "./PlatformError.ts"

/** Tries in all, the first included. */
export const triesMax = 3
const firstPause = Duration.millis(100)
const schedule = Schedule.exponential(firstPause).pipe(Schedule.jittered)

/** Statuses that pass by themselves. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504])
export const isPassing = (status: number): boolean => passing.has(status)

export interface Answered {
  readonly status: number
  readonly body: string
}

export interface HttpLimits {
  readonly timeout: Duration.Duration
  readonly bytesMax: number
}

const reasonOf = (cause: unknown): PlatformReason =>
  cause instanceof BodyTooLong
    ? "TooLong"
    : cause instanceof TypeError && isEncoding(cause)
      ? "Malformed"
      : "Unreachable"
const isEncoding = (cause: TypeError): boolean => "code" in cause && cause.code === "ERR_ENCODING_INVALID_ENCODED_DATA"

/** One try. `what` names the request in errors. */
export const once = (
  system: string,
  what: string,
  url: string,
  request: RequestInit,
  { bytesMax, timeout }: HttpLimits
): Effect.Effect<Answered, PlatformError> =>
  Effect.tryPromise({
    try: async (signal) => {
      const answer = await fetch(url, { ...request, redirect: "manual", signal })
      const body = await readBody(answer.body, bytesMax, answer.headers.get("content-length"))
      return { status: answer.status, body: textOf(body) }
    },
    catch: (cause) => {
      const reason = reasonOf(cause)
      return new PlatformError({ system, reason, detail: what, isRetryable: reason === "Unreachable" })
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(new PlatformError({ system, reason: "TimedOut", detail: what, isRetryable: true }))
    })
  )

/** Repeats what may pass by itself, a few times, with growing pauses. */
export const retried = <A, R>(call: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, PlatformError, R> =>
  Effect.retry(call, { schedule, times: triesMax - 1, while: (error) => error.isRetryable })
