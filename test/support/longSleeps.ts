/**
 * Lets a test that lets days pass not wake every loop every few seconds of them: what is run under it sleeps for
 * `least` at least. The time it sees is the test's.
 */
import { Clock, Duration, Effect } from "effect"

export const sleepingAtLeast =
  (least: Duration.Input) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Clock.clockWith((clock) =>
      Effect.provideService(effect, Clock.Clock, {
        ...clock,
        sleep: (duration) => clock.sleep(Duration.max(duration, Duration.fromInputUnsafe(least)))
      })
    )
