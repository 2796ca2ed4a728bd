import { assert, describe, it } from "@effect/vitest"
import { StorageType } from "@nats-io/jetstream"
import { Effect, Layer } from "effect"
import { inject } from "vitest"
import { Nats } from "../../../src/nats/Nats.ts"
import { NatsConfig } from "../../../src/nats/NatsConfig.ts"
import * as NatsConnection from "../../../src/nats/NatsConnection.ts"
import type { NatsStartError } from "../../../src/nats/NatsError.ts"
import { Streams } from "../../../src/nats/Streams.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { busLayer, environment, freshInstance } from "../../support/bus.ts"

const natsUrl = inject("natsUrl")

const ensured = (instance: string, variables: Record<string, string> = {}) =>
  Layer.build(busLayer({ natsUrl, instance, variables })).pipe(Effect.scoped)

/** A connection to ask with, apart from the one that ensures. */
const asking = NatsConnection.layer.pipe(
  Layer.provide([
    Layer.succeed(Replica, replicaOf("asking", "one")),
    NatsConfig.layer.pipe(Layer.provide(environment({ NATS_URL: natsUrl })))
  ])
)

const configOf = (stream: string) =>
  Nats.use(({ jetstreamManager }) =>
    Effect.promise(() => jetstreamManager.streams.info(stream).then(({ config }) => config))
  )

describe("Streams", () => {
  it.live("makes them, finds them again, and changes what is configured otherwise", () => {
    const instance = freshInstance()
    const events = `${instance.toUpperCase()}_EVENTS`
    return Effect.gen(function* () {
      yield* ensured(instance)
      const first = yield* configOf(events)
      assert.strictEqual(first.storage, StorageType.File)
      assert.deepStrictEqual(first.subjects, [`${instance}.events.v1.>`])
      yield* ensured(instance)
      assert.deepStrictEqual(yield* configOf(events), first)
      yield* ensured(instance, { CM_EVENTS_AGE: "3 days" })
      assert.strictEqual((yield* configOf(events)).max_age, 3 * 86_400 * 1e9)
    }).pipe(Effect.provide(asking))
  })

  it.live("is made once by replicas that start at the same time", () => {
    const instance = freshInstance()
    return Effect.gen(function* () {
      yield* Effect.all(
        [1, 2, 3, 4].map(() => ensured(instance)),
        { concurrency: "unbounded" }
      )
      const config = yield* configOf(`KV_${instance.toUpperCase()}_TOKENS`)
      assert.strictEqual(config.max_msgs_per_subject, 1)
      assert.isTrue(config.allow_direct)
    }).pipe(Effect.provide(asking))
  })

  it.live("stops the start with the stream's name when something cannot be changed", () => {
    const instance = freshInstance()
    const name = `${instance.toUpperCase()}_EVENTS`
    return Effect.gen(function* () {
      const { jetstreamManager } = yield* Nats
      yield* Effect.promise(() =>
        jetstreamManager.streams.add({ name, subjects: [`${instance}.events.v1.>`], storage: StorageType.Memory })
      )
      const error = (yield* Effect.flip(ensured(instance))) as NatsStartError
      assert.include(error.message, name)
      assert.include(error.message, "storage")
    }).pipe(Effect.provide(asking))
  })

  it.live("lets nobody remove a single event or purge the stream", () => {
    const instance = freshInstance()
    return Effect.gen(function* () {
      const { jetstream, jetstreamManager } = yield* Nats
      const { events } = yield* Streams
      yield* Effect.promise(() => jetstream.publish(`${instance}.events.v1.acme.token.revoked`, "{}"))
      yield* Effect.flip(Effect.tryPromise(() => jetstreamManager.streams.purge(events)))
      yield* Effect.flip(Effect.tryPromise(() => jetstreamManager.streams.deleteMessage(events, 1)))
      const info = yield* Effect.promise(() => jetstreamManager.streams.info(events))
      assert.strictEqual(info.state.messages, 1)
    }).pipe(Effect.provide(busLayer({ natsUrl, instance })))
  })
})
