/**
 * Background work that must not stop: step after step, for as long as its scope lives.
 *
 * A defect in one step is logged and counted, and the next step comes after a pause; otherwise one bug
 * would end the work in silence while everything else goes on. Expected errors are the step's own. Each
 * step has a correlation id of its own (`Turn`).
 *
 * What has nothing to do most of the time looks while there is something (`whileSome`), and takes no timer else.
 */
import { Duration, Effect, Latch, Metric, type Scope } from "effect"
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

/**
 * A step every so often from the moment on that the function given back is called, for as long as one answers that there is
 * more: the first of them as late as the next would be of one that never rests. What comes during a step is
 * seen by another one, and so is what a step leaves behind that died.
 */
export const whileSome = <R>(
  loop: string,
  every: Duration.Input,
  step: Effect.Effect<boolean, never, R>
): Effect.Effect<() => void, never, R | Scope.Scope> =>
  Effect.suspend(() => {
    const some = Latch.makeUnsafe()
    const wakeUnsafe = () => void Latch.openUnsafe(some)
    const turn = some.await.pipe(
      Effect.andThen(Effect.sleep(every)),
      Effect.andThen(some.close),
      Effect.andThen(step),
      Effect.onError(() => Effect.sync(wakeUnsafe)),
      Effect.andThen((isMore) => (isMore ? Effect.sync(wakeUnsafe) : Effect.void))
    )
    return Effect.as(Effect.forkScoped(forever(loop, turn)), wakeUnsafe)
  })
