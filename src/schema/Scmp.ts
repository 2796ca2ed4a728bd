/**
 * 17/SCMP and 27/SCMP, configuration updates. Two protocols, one short name.
 *
 * In 17 there is no timeout, the tenant is `tenantID` and the version `appVerName`; the message says
 * what changed, not to what. In 27 the content travels in the message.
 * Source: 17/SCMP, "Broadcast" and "Targeted"; 27/SCMP, "System configuration updated".
 */
import { commonOfEvents, message, type Of } from "./Avro.ts"

const namespace = "org.kaaproject.scmp.event.gen.v1.service.configuration"

/** (null, null, null): all; (tenant, null, null); (tenant, app, null); (tenant, app, version). */
export const BroadcastConfigurationUpdateEvent = message(namespace, "BroadcastConfigurationUpdateEvent", {
  correlationId: "eventCorrelationId",
  timestamp: "long",
  originatorReplicaId: "string",
  tenantID: "nullOrString",
  appName: "nullOrString",
  appVerName: "nullOrString"
})
export type BroadcastConfigurationUpdateEvent = Of<typeof BroadcastConfigurationUpdateEvent>

export const ServiceSpecificConfigurationUpdateEvent = message(namespace, "ServiceSpecificConfigurationUpdateEvent", {
  correlationId: "eventCorrelationId",
  timestamp: "long",
  tenantID: "string",
  appName: "nullOrString",
  appVerName: "nullOrString"
})
export type ServiceSpecificConfigurationUpdateEvent = Of<typeof ServiceSpecificConfigurationUpdateEvent>

export const SystemConfigUpdated = message("org.kaaproject.ipc.event.gen.v1.system.config", "SystemConfigUpdated", {
  ...commonOfEvents,
  tenantId: "string",
  configName: "string",
  configLevel: "string",
  configLevelId: "string",
  contentType: "contentType",
  content: "bytes",
  originatorReplicaId: "nullOrString"
})
export type SystemConfigUpdated = Of<typeof SystemConfigUpdated>
