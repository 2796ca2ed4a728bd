/**
 * 21/TLE, listener: a tenant that is unregistered is served no more and loses what it had.
 *
 * One replica acts, and answers to the inbox when that is in force on all of them. `updated` is counted;
 * there is nothing yet that would have to be read again.
 *
 * Source: 21/TLE, "Tenant updated event", "Tenant unregistered event".
 */
import { Effect } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { tenantIdPattern } from "../domain/Names.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import { UnregisteredEvent, UpdatedEvent } from "../schema/Tle.ts"
import { inboxKind } from "./EventInbox.ts"

const protocol = "tle"

export const kinds = Effect.map(Tenants, (tenants) => [
  inboxKind({
    protocol,
    type: "unregistered",
    name: "tenant.lifecycle.unregistered",
    decode: UnregisteredEvent.decode,
    act: ({ correlationId, tenantId }) =>
      tenantIdPattern.test(tenantId)
        ? tenants.removeTenant(tenantId, { ...servicePrincipal(protocol), correlationId, idempotency: null })
        : Effect.void
  }),
  inboxKind({
    protocol,
    type: "updated",
    name: "tenant.lifecycle.updated",
    decode: UpdatedEvent.decode,
    act: () => Effect.void
  })
])
