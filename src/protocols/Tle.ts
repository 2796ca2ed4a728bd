/**
 * 21/TLE, listener: a tenant that is unregistered is served no more and loses what it had.
 *
 * Every replica hears it (no queue group), so removing is idempotent. `updated` is counted; there is
 * nothing yet that a replica would have to read again.
 *
 * Source: 21/TLE, "Tenant updated event", "Tenant unregistered event".
 */

import { Effect, Layer } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { tenantIdPattern } from "../domain/Names.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import type { Nats } from "../nats/Nats.ts"
import type { Readiness } from "../observability/Health.ts"
import { UnregisteredEvent, UpdatedEvent } from "../schema/Tle.ts"
import { hear } from "./EventInbox.ts"
import type { ProtocolsConfig } from "./ProtocolsConfig.ts"
import { eventSubject } from "./Subject.ts"

const protocol = "tle"

export const layer: Layer.Layer<never, never, Nats | Tenants | ProtocolsConfig | Readiness> = Layer.effectDiscard(
  Effect.gen(function* () {
    const tenants = yield* Tenants
    yield* hear({
      protocol,
      type: "unregistered",
      subjects: [eventSubject("*", "tenant.lifecycle.unregistered")],
      queue: null,
      decode: UnregisteredEvent.decode,
      act: ({ correlationId, tenantId }) =>
        tenantIdPattern.test(tenantId)
          ? tenants.removeTenant(tenantId, { ...servicePrincipal(protocol), correlationId, idempotency: null })
          : Effect.void
    })
    yield* hear({
      protocol,
      type: "updated",
      subjects: [eventSubject("*", "tenant.lifecycle.updated")],
      queue: null,
      decode: UpdatedEvent.decode,
      act: () => Effect.void
    })
  })
)
