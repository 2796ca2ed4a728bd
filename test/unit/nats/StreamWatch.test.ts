// Verifies R-BUS-19, R-RUN-16.
/** All streams are looked at together, each second, and one that is not answered keeps no other waiting. */

import { assert, describe, it } from "@effect/vitest"
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream"
import { ConfigProvider, Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { Nats } from "../../../src/nats/Nats.ts"
import { NatsConfig } from "../../../src/nats/NatsConfig.ts"
import { plansOf } from "../../../src/nats/StreamPlan.ts"
import { Streams } from "../../../src/nats/Streams.ts"
import * as StreamWatch from "../../../src/nats/StreamWatch.ts"
import { Readiness } from "../../../src/observability/Health.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { countingSleeps } from "../../support/sleepsAsked.ts"

const settings = NatsConfig.layer.pipe(
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ NATS_URL: "nats://127.0.0.1:4222" })))
)
const gone = new JetStreamApiError({ code: 404, err_code: JetStreamApiCodes.StreamNotFound, description: "gone" })

const world = Effect.gen(function* () {
  const { streams: limits } = yield* NatsConfig
  const plans = plansOf("cm", limits)
  const looks = new Map(plans.map(({ name }) => [name, 0]))
  const state = { silent: "", answer: () => {}, made: 0, gone: "" }
  const jetstreamManager = {
    streams: {
      info: (name: string) => {
        looks.set(name, looks.get(name)! + 1)
        const config = plans.find((plan) => plan.name === name)
        const info = { config, created: "then", state: { messages: 0, first_seq: 1, last_seq: 0 } }
        if (name === state.gone) return Promise.reject(gone)
        if (name !== state.silent) return Promise.resolve(info)
        return new Promise((resolve) => {
          state.answer = () => resolve(info)
        })
      },
      add: () => {
        state.made++
        state.gone = ""
        return Promise.resolve({})
      }
    }
  }
  yield* Layer.build(
    StreamWatch.layer.pipe(
      Layer.provide([
        Layer.succeed(Nats, { jetstreamManager } as never),
        Layer.succeed(Streams, {} as never),
        Layer.succeed(Replica, replicaOf("cm", "one")),
        Readiness.layer
      ])
    )
  )
  /** A second passes, and promises have their turn. */
  const second = TestClock.adjust("1 second")
  return { looks, names: plans.map(({ name }) => name), second, state }
}).pipe(Effect.provide(settings))

describe("the watch over streams", () => {
  it.effect("looks at each every second, by one timer for all", () =>
    countingSleeps((sleeps) =>
      Effect.gen(function* () {
        const { looks, names, second } = yield* world
        const before = sleeps()
        for (let seconds = 1; seconds <= 30; seconds++) {
          yield* second
          assert.deepStrictEqual(
            Array.from(looks.values()),
            names.map(() => seconds)
          )
        }
        assert.isAtMost(sleeps() - before, 31)
      })
    )
  )

  it.effect("looks at the others while one is not answered, and at that one again within a second of its answer", () =>
    Effect.gen(function* () {
      const { looks, names, second, state } = yield* world
      state.silent = names[1]!
      for (let seconds = 1; seconds <= 5; seconds++) yield* second
      assert.deepStrictEqual(
        Array.from(looks.values()),
        names.map((_, at) => (at === 1 ? 1 : 5))
      )
      state.silent = ""
      state.answer()
      yield* second
      assert.strictEqual(looks.get(names[1]!), 2)
    })
  )

  it.effect("makes one that is gone anew at its next look", () =>
    Effect.gen(function* () {
      const { names, second, state } = yield* world
      yield* second
      state.gone = names[2]!
      yield* second
      assert.strictEqual(state.made, 1)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})
