/**
 * Background work that must not stop: step after step, for as long as its scope lives.
 *
 * A defect in one step is logged and counted, and the next step comes after a pause; otherwise one bug
 * would end the work in silence while everything else goes on. Expected errors are the step's own. Each
 * step has a correlation id of its own (`Turn`).
 */
import { Duration, Effect, Metric } from "effect"
import * as CorrelationIds from "./CorrelationIds.ts"
import * as Turn from "./Turn.ts"

const pauseAfterDefect = Duration.seconds(1)

const defects = Metric.counter("cm_loop_defects_total", {
  description: "Defects in background work, by loop",
  incremental: true
})

export const forever = <R>(loop: string, step: Effect.Effect<unknown, never, R>): Effect.Effect<never, never, R> =>
  Effect.flatMap(CorrelationIds.make, (newCorrelationId) =>
    Effect.suspend(() =>
      step.pipe(
        Effect.catchDefect((defect) =>
          Effect.logError("a defect in background work", defect).pipe(
            Effect.andThen(Metric.update(Metric.withAttributes(defects, { loop }), 1)),
            Effect.andThen(Effect.sleep(pauseAfterDefect)),
            Effect.annotateLogs({ loop })
          )
        ),
        Turn.under(newCorrelationId())
      )
    ).pipe(Effect.forever)
  )
