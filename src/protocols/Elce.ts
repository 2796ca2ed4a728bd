/**
 * 9/ELCE, listener: an endpoint that is gone has no tokens any more.
 *
 * Only `unregistered` is listened to; `registered` has the same bytes and must do nothing, and what
 * is not subscribed does nothing. One replica acts. An event that comes again is recognised by its place
 * in the inbox: tokens that were provisioned since stay.
 *
 * Source: 9/ELCE, "Endpoint unregistered event".
 */
import { Effect } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { endpointIdPattern } from "../domain/Names.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import { UnregisteredEvent } from "../schema/Elce.ts"
import { inboxKind } from "./EventInbox.ts"

const protocol = "elce"

export const kinds = Effect.map(Tenants, (tenants) => [
  inboxKind({
    protocol,
    type: "unregistered",
    name: "endpoint.lifecycle.unregistered",
    decode: UnregisteredEvent.decode,
    about: ({ endpointId }) => (endpointIdPattern.test(endpointId) ? { endpointId } : {}),
    // No token can belong to an endpoint whose id could not have been provisioned.
    act: ({ correlationId, endpointId }, { bytes, id }) =>
      endpointIdPattern.test(endpointId)
        ? tenants.unregisterEndpoint(endpointId, {
            ...servicePrincipal(protocol),
            correlationId,
            idempotency: { key: id, operation: "elce.unregistered", body: bytes }
          })
        : Effect.void
  })
])
