/**
 * 9/ELCE, endpoint lifecycle events.
 *
 * `registered` and `unregistered` have the same bytes; only the subject tells them apart.
 * Source: 9/ELCE, "Endpoint lifecycle events".
 */
import { commonOfEvents, message, type Of } from "./Avro.ts"

const namespace = "org.kaaproject.ipc.event.gen.v1.endpoint.lifecycle"
const fields = {
  ...commonOfEvents,
  appVersionName: "string",
  endpointId: "string",
  originatorReplicaId: "string"
} as const

export const RegisteredEvent = message(namespace, "RegisteredEvent", fields)
export type RegisteredEvent = Of<typeof RegisteredEvent>

export const UnregisteredEvent = message(namespace, "UnregisteredEvent", fields)
export type UnregisteredEvent = Of<typeof UnregisteredEvent>

export const AppVersionUpdatedEvent = message(namespace, "AppVersionUpdatedEvent", {
  ...commonOfEvents,
  appVersionName: "string",
  previousAppVersionName: "string",
  endpointId: "string",
  originatorReplicaId: "string"
})
export type AppVersionUpdatedEvent = Of<typeof AppVersionUpdatedEvent>
