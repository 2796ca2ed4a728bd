/** What is run under it is counted how often it has asked the clock for a sleep: a loop that rests asks for none. */
import { Clock, Effect } from "effect"

export const countingSleeps = <A, E, R>(
  run: (sleeps: () => number) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) => {
    let count = 0
    return Effect.provideService(
      run(() => count),
      Clock.Clock,
      {
        ...clock,
        sleep: (duration) => {
          count++
          return clock.sleep(duration)
        }
      }
    )
  })
