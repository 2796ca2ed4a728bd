import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { afterAll, beforeAll } from "vitest"
import { Nats } from "../../../src/nats/Nats.ts"
import { Streams } from "../../../src/nats/Streams.ts"
import { EventLog } from "../../../src/outbox/EventLog.ts"
import * as NatsEventLog from "../../../src/outbox/NatsEventLog.ts"
import { OutboxConfig } from "../../../src/outbox/OutboxConfig.ts"
import { eventLogSuite } from "../../suites/eventLogSuite.ts"
import { busLayer, environment, freshInstance } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"
import { memoryOutbox } from "../../support/memoryOutbox.ts"
import { type NatsCluster, startNatsCluster } from "../../support/natsCluster.ts"
import { assertExactlyOnceInOrder, relayLayer, streamOf } from "../../support/relayWorld.ts"

let cluster: NatsCluster
beforeAll(async () => {
  cluster = await startNatsCluster()
})
afterAll(() => cluster.stop())

const logLayer = (instance: string, publishTimeout: string) =>
  Layer.unwrap(
    Effect.sync(() =>
      NatsEventLog.layer.pipe(
        Layer.provide(
          OutboxConfig.layer.pipe(Layer.provide(environment({ CM_OUTBOX_PUBLISH_TIMEOUT: publishTimeout })))
        ),
        Layer.provideMerge(busLayer({ natsUrl: cluster.url, instance, variables: { CM_STREAM_REPLICAS: "3" } }))
      )
    )
  )

const instance = freshInstance()
eventLogSuite("NATS cluster", logLayer(instance, "30 seconds"), {
  events: `${instance}.events.v1.acme.token.provisioned`,
  revocations: `kaa.v1.events.${instance}.endpoint.token.revoked`
})

describe("OutboxRelay on a cluster", () => {
  it.live("keeps every event once and in order when the server that leads the stream is killed", () => {
    const instance = freshInstance()
    return Effect.gen(function* () {
      const { jetstreamManager } = yield* Nats
      const { events } = yield* Streams
      const log = Layer.succeed(EventLog, yield* EventLog)
      const outbox = memoryOutbox()
      const ids: Array<string> = []
      const commit = Effect.sync(() => {
        for (let n = 0; n < 10; n++) {
          const entity = ids.length % 7
          const eventId = `e${entity}-${ids.length}`
          ids.push(eventId)
          outbox.write({
            eventId,
            tenantId: `tenant${entity}`,
            subject: `${instance}.events.v1.tenant${entity}.token.provisioned`
          })
        }
      }).pipe(Effect.repeat(Schedule.spaced("5 millis").pipe(Schedule.upTo({ times: 150 }))))
      yield* Layer.build(relayLayer({ instance, replicaId: "one", outbox: outbox.layer, log }))
      const { cluster: group } = yield* Effect.promise(() => jetstreamManager.streams.info(events))
      const leader = cluster.servers[Number(group?.leader?.split("-")[1]) - 1]!
      yield* Effect.andThen(
        Effect.promise(() =>
          eventually(
            () => outbox.marked.length,
            (count) => count > 100,
            { what: "a hundred events" }
          )
        ),
        Effect.sync(() => leader.kill("SIGKILL"))
      ).pipe(Effect.zip(commit, { concurrent: true }))
      yield* Effect.promise(() =>
        eventually(
          () => outbox.rows().length,
          (count) => count === 0,
          { limitMs: 120_000, what: "an empty outbox" }
        )
      )
      assert.strictEqual(outbox.marked.length, ids.length)
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
    }).pipe(Effect.provide(logLayer(instance, "2 seconds")))
  })
})
