// Verifies R-BUS-19.
/** Streams and buckets that somebody deletes or changes under the running service are put right within seconds. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Metric } from "effect"
import { inject } from "vitest"
import { Nats } from "../../../src/nats/Nats.ts"
import { NatsConfig } from "../../../src/nats/NatsConfig.ts"
import * as StreamWatch from "../../../src/nats/StreamWatch.ts"
import { Readiness } from "../../../src/observability/Health.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { busLayer, environment, freshInstance, smallStreams } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"

const natsUrl = inject("natsUrl")

/** The watch beside the streams that it watches, and what it says. */
const world = (instance: string) => {
  const said: Array<string> = []
  const collect = Logger.make(({ message }) => void said.push(JSON.stringify(message)))
  const layer = StreamWatch.layer.pipe(
    Layer.provideMerge(busLayer({ natsUrl, instance })),
    Layer.provide([
      Readiness.layer,
      Layer.succeed(Replica, replicaOf(instance, "one")),
      NatsConfig.layer.pipe(Layer.provide(environment({ NATS_URL: natsUrl, ...smallStreams }))),
      Logger.layer([collect])
    ])
  )
  return { said, layer }
}

const countOf = (name: string, stream: string) =>
  Effect.map(Metric.snapshot, (all) =>
    all
      .filter(({ attributes, id }) => id === name && attributes?.stream === stream)
      .reduce((sum, { state }) => sum + Number((state as { readonly count: number | bigint }).count), 0)
  )

describe("StreamWatch", () => {
  it.live("makes what is gone anew, tells so, and counts it", () => {
    const instance = freshInstance()
    const upper = instance.toUpperCase()
    const { layer, said } = world(instance)
    return Effect.gen(function* () {
      const { jetstreamManager } = yield* Nats
      for (const stream of [`${upper}_EVENTS`, `${upper}_REVOCATIONS`, `KV_${upper}_TOKENS`, `KV_${upper}_METADATA`]) {
        const before = (yield* Effect.promise(() => jetstreamManager.streams.info(stream))).config
        yield* Effect.promise(() => jetstreamManager.streams.delete(stream))
        const after = yield* Effect.promise(() =>
          eventually(
            () => jetstreamManager.streams.info(stream),
            () => true,
            { limitMs: 120_000, what: `${stream} being there again` }
          )
        )
        assert.deepStrictEqual(after.config, before)
        yield* Effect.promise(() =>
          eventually(
            () => said,
            (lines) => lines.some((line) => line.includes(`stream ${stream} was gone`))
          )
        )
        assert.strictEqual(yield* countOf("cm_streams_remade_total", stream), 1)
      }
    }).pipe(Effect.provide(layer))
  })

  it.live("changes settings back a few times, and then only tells", () => {
    const instance = freshInstance()
    const stream = `${instance.toUpperCase()}_REVOCATIONS`
    const { layer, said } = world(instance)
    return Effect.gen(function* () {
      const { jetstreamManager } = yield* Nats
      const limit = () => jetstreamManager.streams.info(stream).then(({ config }) => config.max_bytes)
      const shrink = () => jetstreamManager.streams.update(stream, { max_bytes: 1_024 })
      for (let time = 1; time <= 3; time++) {
        yield* Effect.promise(shrink)
        yield* Effect.promise(() => eventually(limit, (bytes) => bytes === 16_777_216, { limitMs: 120_000 }))
      }
      yield* Effect.promise(shrink)
      yield* Effect.promise(() =>
        eventually(
          () => said,
          (lines) => lines.some((line) => line.includes("changed again and again")),
          { limitMs: 120_000 }
        )
      )
      assert.strictEqual(yield* Effect.promise(limit), 1_024)
      assert.strictEqual(yield* countOf("cm_streams_mended_total", stream), 3)
    }).pipe(Effect.provide(layer))
  })
})
