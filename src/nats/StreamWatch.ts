/**
 * Streams and buckets that vanish or change while the service runs, whoever did it: noticed within
 * seconds, told, and put right where that is safe.
 *
 * What is gone is made anew, empty: a cache fills again, and the relay takes a stream that is shorter than
 * it remembers for a new one. What was stored in it is lost, and the log and a counter say so, also when
 * somebody else was quicker to make it. A setting that was changed is changed back, a few times: replicas
 * with different settings would do it to each other for ever. What cannot be changed is told, and `ready`
 * says it where it hurts more than how much is kept. Nothing is ever deleted.
 *
 * A JetStream that does not answer is no news of a stream; readiness and the lease say that already.
 */
import { JetStreamApiCodes, JetStreamApiError, type StreamInfo } from "@nats-io/jetstream"
import { type Context, Duration, Effect, Latch, Layer, Metric, Result } from "effect"
import { Readiness } from "../observability/Health.ts"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { Nats } from "./Nats.ts"
import { NatsConfig } from "./NatsConfig.ts"
import { type ChangeFound, changesOf, plansOf, type StreamPlan } from "./StreamPlan.ts"
import { ensure, isFinal, Streams } from "./Streams.ts"

const lookEvery = Duration.seconds(1)
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
const trouble = Metric.gauge("cm_stream_trouble", {
  description: "1 while a stream or bucket is gone or not as configured, by stream"
})

const unknown = Symbol("unknown")
type Looked = StreamInfo | null | typeof unknown
type Settings = Extract<ChangeFound, { readonly kind: "settings" }>

/**
 * Looks at one stream for as long as the scope lives, each time that `time` is over. `existed`: whoever made it has, so that
 * its absence is news.
 */
export const watch = Effect.fnUntraced(function* (
  plan: StreamPlan,
  existed: boolean,
  time: Effect.Effect<unknown> = Effect.sleep(lookEvery)
) {
  const { jetstreamManager } = yield* Nats
  const readiness = yield* Readiness
  const context: Context.Context<never> = yield* Effect.context<never>()
  const { name } = plan
  const counted = (metric: typeof remade) => Metric.update(Metric.withAttributes(metric, { stream: name }), 1)
  const inTrouble = Metric.withAttributes(trouble, { stream: name })
  let before: StreamInfo | null = null
  let mends = 0
  let told = ""
  let reason: string | null = null

  const tellOnce = (problem: string) =>
    Effect.suspend(() => {
      if (told === problem) return Effect.void
      told = problem
      return Effect.logError(problem)
    })

  const look = Effect.promise(
    (): Promise<Looked> =>
      jetstreamManager.streams.info(name).catch((cause: unknown) => {
        const isGone = cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.StreamNotFound
        return isGone ? null : unknown
      })
  )

  const makeAnew = Effect.gen(function* () {
    const made = yield* Effect.result(ensure(jetstreamManager, plan))
    if (Result.isFailure(made)) {
      reason = `is gone: ${made.failure.problem}`
      return yield* tellOnce(`stream ${name} ${reason}`)
    }
    reason = null
    before = null
    yield* counted(remade)
    yield* Effect.logError(`stream ${name} was gone and was made anew: what it held is lost`)
  })

  const changeBack = Effect.fnUntraced(function* ({ fields, hurts }: Settings) {
    const differing = `is not as configured: ${fields.join(", ")}`
    reason = hurts ? differing : null
    const found = yield* Effect.result(ensure(jetstreamManager, plan, mends < mendsMax))
    if (Result.isFailure(found)) {
      return isFinal(found.failure) ? yield* tellOnce(found.failure.problem) : undefined
    }
    if (found.success === "changed") {
      mends++
      yield* counted(mended)
      return yield* Effect.logWarning(`stream ${name} had been changed by somebody and was changed back`)
    }
    yield* tellOnce(
      found.success === "differs"
        ? `stream ${name} is changed again and again: do other replicas have other settings?`
        : `stream ${name} ${differing}`
    )
  })

  const step = Effect.gen(function* () {
    yield* time
    const now = yield* look
    // Not made yet: whoever needs it is about to.
    if (now === unknown || (now === null && before === null && !existed)) return
    const found = changesOf(before, now, plan)
    inTrouble.updateUnsafe(found.length === 0 ? 0 : 1, context)
    for (const change of found) {
      if (change.kind === "remade") {
        yield* counted(remade)
        yield* Effect.logError(`stream ${name} was removed and made anew by somebody: what it held is lost`)
      }
      if (change.kind === "emptied") {
        yield* Effect.logWarning(`stream ${name} was emptied by somebody: of ${change.messages} messages`)
      }
    }
    if (now === null) return yield* makeAnew
    before = now
    const settings = found.find((change) => change.kind === "settings")
    if (settings !== undefined) return yield* changeBack(settings)
    reason = null
    told = ""
  })
  yield* readiness.register(
    `stream ${name}`,
    Effect.sync(() => reason)
  )
  yield* Effect.forkScoped(Loop.forever("streams", step))
})

const make = Effect.gen(function* () {
  const { streams: limits } = yield* NatsConfig
  const { instance } = yield* Replica
  /** They exist once. */
  yield* Streams
  // Their questions leave together. One that is not answered yet misses the next look, and keeps no other from it.
  const second = Latch.makeUnsafe()
  yield* Effect.forEach(plansOf(instance, limits), (plan) => watch(plan, true, second.await), { discard: true })
  yield* Effect.forkScoped(Loop.forever("seconds of streams", Effect.andThen(Effect.sleep(lookEvery), second.release)))
})

/** All of `StreamPlan`; the lease bucket is watched by its owner. Needs `Nats`, `NatsConfig`, `Replica`, `Streams`, `Readiness`. */
export const layer = Layer.effectDiscard(make)
