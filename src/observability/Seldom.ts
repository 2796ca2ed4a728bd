/**
 * Lines of the log for what may happen a thousand times a second: one a second at most for each place.
 *
 * Of those that are left out the next line says how many (`unsaid`). The last ones of a flood have no next line and stay
 * unsaid: whoever has to know how often it was counts it.
 */
import { Clock, Effect } from "effect"

export const everyMs = 1_000

export interface Seldom {
  /** The line, or nothing but its count. */
  readonly tell: (line: Effect.Effect<void>) => Effect.Effect<void>
  /** For who is called outside of any fiber: told in the context that this was made in. */
  readonly tellUnsafe: (line: Effect.Effect<void>) => void
}

/** One for each place that tells something. */
export const make: Effect.Effect<Seldom> = Effect.gen(function* () {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const clock = yield* Clock.Clock
  let toldAtMs = Number.NEGATIVE_INFINITY
  let unsaid = 0
  const due = (line: Effect.Effect<void>): Effect.Effect<void> | null => {
    const nowMs = Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    if (nowMs - toldAtMs < everyMs) {
      unsaid++
      return null
    }
    const said = unsaid === 0 ? line : Effect.annotateLogs(line, { unsaid })
    toldAtMs = nowMs
    unsaid = 0
    return said
  }
  return {
    tell: (line) => Effect.suspend(() => due(line) ?? Effect.void),
    tellUnsafe: (line) => {
      const said = due(line)
      if (said !== null) run(said)
    }
  }
})
