/** All protocols of one replica on a real server, with scripted tenants. */
import { connect } from "@nats-io/transport-node"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { AccessConfig } from "../../src/access/AccessConfig.ts"
import { KnownTenants } from "../../src/actors/validation/KnownTenants.ts"
import type { Inbox } from "../../src/nats/Inbox.ts"
import { Nats } from "../../src/nats/Nats.ts"
import { Readiness } from "../../src/observability/Health.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"
import { Shutdown } from "../../src/observability/Shutdown.ts"
import { Access } from "../../src/protocols/Access.ts"
import { BusConfig } from "../../src/protocols/BusConfig.ts"
import * as Protocols from "../../src/protocols/Protocols.ts"
import { ProtocolsConfig } from "../../src/protocols/ProtocolsConfig.ts"
import { freshInstance } from "./bus.ts"
import * as paperEvents from "./paperEvents.ts"
import { paperInbox } from "./paperInbox.ts"
import { someConfig } from "./protocolWorld.ts"
import { scriptedTenants, scriptedValidator } from "./scriptedTenants.ts"

export const liveProtocols = async (options: {
  readonly natsUrl: string
  readonly instance?: string
  readonly replicaId?: string
  readonly inbox?: Layer.Layer<Inbox>
  readonly validator?: Parameters<typeof scriptedValidator>[0]
  readonly requestsInFlightMax?: number
}) => {
  const { instance = freshInstance(), natsUrl, replicaId = "one" } = options
  const inboxPrefix = `_INBOX.service-${replicaId}`
  const connection = await connect({ servers: natsUrl, inboxPrefix, noAsyncTraces: true })
  const tenants = scriptedTenants()
  const parts = Layer.mergeAll(
    options.inbox ?? paperInbox().layer,
    Layer.succeed(Nats, {
      validation: connection,
      requests: connection,
      events: connection,
      control: connection,
      inboxPrefix
    } as unknown as Nats["Service"]),
    tenants.layer,
    Layer.succeed(KnownTenants, { find: () => Effect.succeed(undefined), require: () => Effect.void }),
    scriptedValidator(options.validator ?? (() => ({ bytes: new Uint8Array(), statusCode: 200 }))),
    Layer.succeed(Replica, replicaOf(instance, replicaId)),
    Layer.succeed(ProtocolsConfig, {
      ...someConfig,
      requestsInFlightMax: options.requestsInFlightMax ?? someConfig.requestsInFlightMax
    }),
    Access.layerBus.pipe(Layer.provideMerge(BusConfig.layerShipped)),
    AccessConfig.layer,
    paperEvents.layer,
    Readiness.layer,
    Shutdown.layer,
    Logger.layer([])
  )
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Layer.buildWithScope(Layer.provideMerge(Protocols.layer, parts), scope))
  await connection.flush()
  return {
    instance,
    tenants,
    connection,
    shutdown: Context.get(context, Shutdown),
    /** An orderly stop; the connection is drained last. */
    close: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await connection.drain()
    }
  }
}
export type LiveProtocols = Awaited<ReturnType<typeof liveProtocols>>
