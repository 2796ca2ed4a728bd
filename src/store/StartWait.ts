/**
 * A start asks its store again, for as long as `CM_DB_CONNECT_LIMIT`, while nobody answers.
 *
 * A database on its way up, or too busy, costs the start time and not its life. Where another attempt cannot
 * succeed by itself (a refused user, a table that lacks) it ends at once. Each question has the whole time; it must
 * not mind being asked twice, since the first may have been carried out and only its answer be lost.
 */
import { Clock, Context, Data, Duration, Effect, Result } from "effect"
import { StoreUnavailable } from "./StoreError.ts"

const attemptAgain = Duration.millis(250)
const progressEveryMs = 5_000

/** Zero, where nobody says otherwise: what is asked is asked once. */
export const StartWait = Context.Reference<Duration.Duration>("cm/store/StartWait", {
  defaultValue: () => Duration.zero
})

/** A start goes on no further. */
export class NotAnswered extends Data.TaggedError("NotAnswered")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

export interface Waiting<E, G> {
  /** What is asked for, for who reads the log. */
  readonly what: string
  readonly limit: Duration.Duration
  /** Before it is asked again. */
  readonly pause?: Duration.Duration
  /** Why there was no answer, where another attempt may bring one; null where none will. */
  readonly passingOf: (error: E) => string | null
  readonly gaveUp: (limit: string, why: string) => G
}

/** Between attempts it can be interrupted at once. */
export const untilAnswered = Effect.fnUntraced(function* <A, E, R, G>(
  question: Effect.Effect<A, E, R>,
  { gaveUp, limit, passingOf, pause = attemptAgain, what }: Waiting<E, G>
) {
  const begun = yield* Clock.currentTimeMillis
  for (let saidAt = Number.NEGATIVE_INFINITY; ; ) {
    const answer = yield* Effect.result(question)
    if (Result.isSuccess(answer)) return answer.success
    const why = passingOf(answer.failure)
    if (why === null) return yield* Effect.fail(answer.failure)
    const now = yield* Clock.currentTimeMillis
    if (now - begun >= Duration.toMillis(limit)) return yield* Effect.fail(gaveUp(Duration.format(limit), why))
    if (now - saidAt >= progressEveryMs) {
      saidAt = now
      yield* Effect.logInfo("waiting for MariaDB").pipe(Effect.annotateLogs({ for: what, why }))
    }
    yield* Effect.sleep(pause)
  }
})

/** What a start asks of its stores, with `StartWait` for its limit. */
export const atStart =
  (what: string) =>
  <A, E, R>(question: Effect.Effect<A, E, R>): Effect.Effect<A, Exclude<E, StoreUnavailable> | NotAnswered, R> =>
    Effect.flatMap(StartWait, (limit) =>
      untilAnswered(question, {
        what,
        limit,
        passingOf: (error) => (error instanceof StoreUnavailable && error.isPassing === true ? error.message : null),
        gaveUp: (within, why) =>
          new NotAnswered({ reason: `MariaDB did not answer within ${within} when asked for ${what}, last ${why}` })
      })
    ).pipe(
      Effect.mapError((error) =>
        error instanceof StoreUnavailable
          ? new NotAnswered({ reason: `MariaDB does not give ${what}: ${error.message}` })
          : (error as Exclude<E, StoreUnavailable> | NotAnswered)
      )
    )
