/**
 * 9/ELCE, listener: an endpoint that is gone has no tokens any more.
 *
 * Only `unregistered` is listened to; `registered` has the same bytes and must do nothing, and what
 * is not subscribed does nothing. One replica of the queue group acts; the deletion is idempotent.
 *
 * Source: 9/ELCE, "Endpoint unregistered event".
 */

import { Effect, Layer } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { endpointIdPattern } from "../domain/Names.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import type { Nats } from "../nats/Nats.ts"
import type { Readiness } from "../observability/Health.ts"
import { Replica } from "../observability/Replica.ts"
import { UnregisteredEvent } from "../schema/Elce.ts"
import { hear } from "./EventInbox.ts"
import { ProtocolsConfig } from "./ProtocolsConfig.ts"
import { eventSubject } from "./Subject.ts"

const protocol = "elce"

export const layer: Layer.Layer<never, never, Nats | Replica | Tenants | ProtocolsConfig | Readiness> =
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { instance } = yield* Replica
      const tenants = yield* Tenants
      const { elceOriginators } = yield* ProtocolsConfig
      yield* hear({
        protocol,
        type: "unregistered",
        subjects: elceOriginators.split(",").map((name) => eventSubject(name, "endpoint.lifecycle.unregistered")),
        queue: instance,
        decode: UnregisteredEvent.decode,
        // No token can belong to an endpoint whose id could not have been provisioned.
        act: ({ correlationId, endpointId }) =>
          endpointIdPattern.test(endpointId)
            ? tenants.unregisterEndpoint(endpointId, {
                ...servicePrincipal(protocol),
                correlationId,
                idempotency: null
              })
            : Effect.void
      })
    })
  )
