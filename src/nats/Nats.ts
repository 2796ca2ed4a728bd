/**
 * The connections to the bus.
 *
 * A server lets a connection go on which more waits than it keeps for one client, and with it whatever else that
 * one carried. So what must not suffer from each other has connections of its own:
 *
 * - `validation`: what 16/ECAP and 22/CAP ask to be checked, and the answers: the hot path;
 * - `requests`: everything else that callers ask, with payloads of up to the largest message;
 * - `events`: what other services tell;
 * - `control`: leases, barriers and JetStream, so that no flood makes this replica's lease lapse.
 *
 * All reconnect for ever. None is closed by its users.
 */
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream"
import type { NatsConnection } from "@nats-io/transport-node"
import { Context } from "effect"

export class Nats extends Context.Service<
  Nats,
  {
    readonly validation: NatsConnection
    readonly requests: NatsConnection
    readonly events: NatsConnection
    readonly control: NatsConnection
    /** On `control`. */
    readonly jetstream: JetStreamClient
    readonly jetstreamManager: JetStreamManager
    /** The inbox prefix of all connections: a request that names it as its reply subject is refused. */
    readonly inboxPrefix: string
  }
>()("cm/nats/Nats") {}
