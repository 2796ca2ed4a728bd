/**
 * 21/TLE, listener: a tenant that is unregistered is served no more and loses what it had; one that was
 * updated is read again.
 *
 * One replica acts, and answers to the inbox when that is in force on all of them. What an event leads to
 * goes by when it came, so that neither order nor repetition of deliveries matters.
 *
 * Source: 21/TLE, "Tenant updated event", "Tenant unregistered event".
 */
import { Effect } from "effect"
import { Platform } from "../actors/tenant/Platform.ts"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { tenantIdPattern } from "../domain/Names.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import { UnregisteredEvent, UpdatedEvent } from "../schema/Tle.ts"
import { inboxKind } from "./EventInbox.ts"

const protocol = "tle"
const about = ({ tenantId }: { readonly tenantId: string }) => (tenantIdPattern.test(tenantId) ? { tenantId } : {})

export const kinds = Effect.gen(function* () {
  const tenants = yield* Tenants
  const platform = yield* Platform
  return [
    inboxKind({
      protocol,
      type: "unregistered",
      name: "tenant.lifecycle.unregistered",
      decode: UnregisteredEvent.decode,
      about,
      act: ({ correlationId, tenantId }, { at }) =>
        tenantIdPattern.test(tenantId)
          ? platform.tenantUnregistered(
              tenantId,
              at,
              tenants.removeTenant(tenantId, { ...servicePrincipal(protocol), correlationId, idempotency: null })
            )
          : Effect.void
    }),
    inboxKind({
      protocol,
      type: "updated",
      name: "tenant.lifecycle.updated",
      decode: UpdatedEvent.decode,
      about,
      act: ({ tenantId }, { at }) =>
        tenantIdPattern.test(tenantId) ? platform.tenantUpdated(tenantId, at) : Effect.void
    })
  ]
})
