/**
 * 17/SCMP, consumer: the configuration of something changed, so it is pulled from Tekton.
 *
 * Broadcast and targeted, `upsert` and `delete`. Every replica hears it and nobody acknowledges it. A
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
import { hear } from "./PassingEvents.ts"
import type { ProtocolsConfig } from "./ProtocolsConfig.ts"
import { eventSubject, serviceSubject } from "./Subject.ts"

const protocol = "scmp"

interface Update {
  readonly correlationId: string
  readonly tenantID: string | null
  readonly appName: string | null
  readonly appVerName: string | null
}

/** Null: a combination that the protocol does not have. */
const allowed = <E extends Update>(event: E | null): E | null => {
  if (event === null) return null
  const { appName, appVerName, tenantID } = event
  return (appName !== null && tenantID === null) || (appVerName !== null && appName === null) ? null : event
}

export const layer: Layer.Layer<never, never, Nats | Replica | ProtocolsConfig | Readiness> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { instance } = yield* Replica
    const platform = yield* Platform
    for (const type of ["upsert", "delete"] as const) {
      const act = ({ appName, appVerName, tenantID }: Update) => {
        const change: ConfigurationChange = { type, tenantId: tenantID, appName, version: appVerName }
        return platform.configurationChanged(change)
      }
      yield* hear({
        protocol,
        type,
        subjects: [eventSubject("*", `service.configuration.${type}`)],
        queue: null,
        decode: (bytes) => allowed(BroadcastConfigurationUpdateEvent.decode(bytes)),
        act
      })
      yield* hear({
        protocol,
        type,
        subjects: [serviceSubject(instance, protocol, `configuration.${type}`)],
        queue: null,
        decode: (bytes) => allowed(ServiceSpecificConfigurationUpdateEvent.decode(bytes)),
        act
      })
    }
  })
)
