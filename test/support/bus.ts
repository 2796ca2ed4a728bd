/** Layers for tests that need the bus: `Nats` and `Streams` of an instance of the test's own. */
import { randomBytes } from "node:crypto"
import { ConfigProvider, Layer, References } from "effect"
import { NatsConfig } from "../../src/nats/NatsConfig.ts"
import * as NatsConnection from "../../src/nats/NatsConnection.ts"
import { Streams } from "../../src/nats/Streams.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"

/** A name no other suite uses: suites share the server. */
export const freshInstance = (): string => `t${randomBytes(5).toString("hex")}`

/** Originators that only this instance hears: one stream of an account takes a subject, and suites share the server. */
export const ownOriginators = (instance: string) => ({
  CM_ELCE_ORIGINATORS: `epr-${instance}`,
  CM_TLE_ORIGINATORS: `tm-${instance}`
})

export const environment = (variables: Record<string, string>) =>
  ConfigProvider.layer(ConfigProvider.fromEnvRecord(variables))

/** Small streams, so that many suites fit on one server. */
export const smallStreams = {
  CM_EVENTS_BYTES_MAX: "16777216",
  CM_REVOCATIONS_BYTES_MAX: "16777216",
  CM_INBOX_BYTES_MAX: "16777216",
  CM_TOKENS_BYTES_MAX: "16777216",
  CM_METADATA_BYTES_MAX: "1048576"
}

export const busLayer = (options: {
  readonly natsUrl: string
  readonly instance?: string
  readonly replicaId?: string
  readonly variables?: Record<string, string>
}) => {
  const instance = options.instance ?? freshInstance()
  const replica = Layer.succeed(Replica, replicaOf(instance, options.replicaId ?? "one"))
  const config = NatsConfig.layer.pipe(
    Layer.provide(
      environment({ NATS_URL: options.natsUrl, ...smallStreams, ...ownOriginators(instance), ...options.variables })
    )
  )
  // Fresh: a test that has one already gets another one, not the same.
  return Layer.fresh(
    Streams.layer.pipe(
      Layer.provideMerge(NatsConnection.layer),
      Layer.provideMerge(Layer.mergeAll(replica, config, Layer.succeed(References.MinimumLogLevel, "Warn")))
    )
  )
}
