/** 21/TLE, tenant lifecycle events; both have the same bytes. Source: 21/TLE, "Tenant lifecycle events". */
import { commonOfEvents, message, type Of } from "./Avro.ts"

const namespace = "org.kaaproject.ipc.event.gen.v1.tenant.lifecycle"
const fields = { ...commonOfEvents, tenantId: "string", originatorReplicaId: "string" } as const

export const UpdatedEvent = message(namespace, "UpdatedEvent", fields)
export type UpdatedEvent = Of<typeof UpdatedEvent>

export const UnregisteredEvent = message(namespace, "UnregisteredEvent", fields)
export type UnregisteredEvent = Of<typeof UnregisteredEvent>
