/**
 * 17/SCMP, consumer: the configuration of something changed, so it is pulled from Tekton.
 *
 * Broadcast and targeted, `upsert` and `delete`: of one application carried out in the order in which they
 * arrived, so that an `upsert` behind a `delete` has the last word. Every replica hears it and nobody acknowledges it. A
 * message that is lost is made up for by the next reading of everything. One that names a version without
 * an application, or an application without a tenant, is no such event.
 *
 * Source: 17/SCMP, "Broadcast", "Targeted".
 */
import { Effect, Layer } from "effect"
import { type ConfigurationChange, Platform } from "../actors/tenant/Platform.ts"
import type { Nats } from "../nats/Nats.ts"
import type { Readiness } from "../observability/Health.ts"
import { Replica } from "../observability/Replica.ts"
import { BroadcastConfigurationUpdateEvent, ServiceSpecificConfigurationUpdateEvent } from "../schema/Scmp.ts"
import { type EventSubject, hear } from "./PassingEvents.ts"
import type { ProtocolsConfig } from "./ProtocolsConfig.ts"
import { eventSubject, serviceSubject } from "./Subject.ts"

const protocol = "scmp"

interface Update {
  readonly correlationId: string
  readonly tenantID: string | null
  readonly appName: string | null
  readonly appVerName: string | null
}

interface TypedUpdate extends Update {
  readonly type: ConfigurationChange["type"]
}

/** Null: a combination that the protocol does not have. */
const allowed = (event: Update | null): Update | null => {
  if (event === null) return null
  const { appName, appVerName, tenantID } = event
  return (appName !== null && tenantID === null) || (appVerName !== null && appName === null) ? null : event
}

export const layer: Layer.Layer<never, never, Nats | Replica | ProtocolsConfig | Readiness> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { instance } = yield* Replica
    const platform = yield* Platform
    const heard = (["upsert", "delete"] as const).flatMap((type): ReadonlyArray<EventSubject<TypedUpdate>> => {
      const typed = (event: Update | null): TypedUpdate | null => {
        const update = allowed(event)
        return update === null ? null : { ...update, type }
      }
      return [
        {
          subject: eventSubject("*", `service.configuration.${type}`),
          type,
          decode: (bytes) => typed(BroadcastConfigurationUpdateEvent.decode(bytes))
        },
        {
          subject: serviceSubject(instance, protocol, `configuration.${type}`),
          type,
          decode: (bytes) => typed(ServiceSpecificConfigurationUpdateEvent.decode(bytes))
        }
      ]
    })
    yield* hear({
      protocol,
      subjects: heard,
      queue: null,
      keyOf: ({ appName, tenantID }) => JSON.stringify([tenantID, appName]),
      act: ({ appName, appVerName, tenantID, type }) => {
        const change: ConfigurationChange = { type, tenantId: tenantID, appName, version: appVerName }
        return platform.configurationChanged(change)
      }
    })
  })
)
