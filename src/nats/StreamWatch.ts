/**
 * Streams and buckets that vanish or change while the service runs, whoever did it: noticed within
 * seconds, told, and put right where that is safe.
 *
 * What is gone is made anew, empty: a cache fills again, and the relay takes a stream that is shorter than
 * it remembers for a new one. What was stored in it is lost, and the log and a counter say so. A setting
 * that was changed is changed back, a few times: replicas with different settings would do it to each
 * other for ever. What cannot be changed is only told. Nothing is ever deleted.
 *
 * A JetStream that does not answer is not told of here: readiness and the lease say so already.
 */
import { Duration, Effect, Layer, Metric, Result } from "effect"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { Nats } from "./Nats.ts"
import { NatsConfig } from "./NatsConfig.ts"
import { plansOf, type StreamPlan } from "./StreamPlan.ts"
import { ensure, isFinal, Streams } from "./Streams.ts"

const lookEvery = Duration.seconds(2)
/** How often one stream's settings are changed back by one process. */
const mendsMax = 3

const remade = Metric.counter("cm_streams_remade_total", {
  description: "Streams and buckets that were gone and were made anew, empty",
  incremental: true
})
const mended = Metric.counter("cm_streams_mended_total", {
  description: "Streams and buckets whose settings were changed by somebody and changed back",
  incremental: true
})

const make = Effect.gen(function* () {
  const { jetstreamManager } = yield* Nats
  const { streams: limits } = yield* NatsConfig
  const { instance } = yield* Replica
  /** They exist once. */
  yield* Streams
  const mends = new Map<string, number>()
  const told = new Map<string, string>()

  const tellOnce = (stream: string, problem: string) =>
    Effect.suspend(() => {
      if (told.get(stream) === problem) return Effect.void
      told.set(stream, problem)
      return Effect.logError(problem)
    })

  const look = Effect.fnUntraced(function* (plan: StreamPlan) {
    const { name } = plan
    const count = mends.get(name) ?? 0
    const found = yield* Effect.result(ensure(jetstreamManager, plan, count < mendsMax))
    if (Result.isFailure(found))
      return isFinal(found.failure) ? yield* tellOnce(name, found.failure.problem) : undefined
    switch (found.success) {
      case "there":
        told.delete(name)
        return
      case "made":
        yield* Metric.update(Metric.withAttributes(remade, { stream: name }), 1)
        return yield* Effect.logError(`stream ${name} was gone and was made anew: what it held is lost`)
      case "changed":
        mends.set(name, count + 1)
        yield* Metric.update(Metric.withAttributes(mended, { stream: name }), 1)
        return yield* Effect.logWarning(`stream ${name} had been changed by somebody and was changed back`)
      case "differs":
        return yield* tellOnce(
          name,
          `stream ${name} is changed again and again: do other replicas have other settings?`
        )
    }
  })

  const lookAtAll = Effect.forEach(plansOf(instance, limits), look, { discard: true })
  yield* Effect.forkScoped(Loop.forever("streams", Effect.delay(lookAtAll, lookEvery)))
})

/** Needs `Nats`, `NatsConfig`, `Replica`, `Streams`. */
export const layer = Layer.effectDiscard(make)
