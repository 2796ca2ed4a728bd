/**
 * The connections to the bus.
 *
 * `requests` carries what callers ask and what they are answered. `control` carries leases, barriers,
 * JetStream and events: it is a connection of its own so that a flood of requests does not make this
 * replica's lease lapse. Both reconnect for ever. Neither is closed by its users.
 */
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream"
import type { NatsConnection } from "@nats-io/transport-node"
import { Context } from "effect"

export class Nats extends Context.Service<
  Nats,
  {
    readonly requests: NatsConnection
    readonly control: NatsConnection
    /** On `control`. */
    readonly jetstream: JetStreamClient
    readonly jetstreamManager: JetStreamManager
    /** The inbox prefix of both connections: a request that names it as its reply subject is refused. */
    readonly inboxPrefix: string
  }
>()("cm/nats/Nats") {}
