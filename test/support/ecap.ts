/** The platform's messages as a stranger would write them: from the RFC's fields, not from our source. */
import avsc from "avsc"

const common = [
  { name: "correlationId", type: "string" },
  { name: "timestamp", type: "long" },
  { name: "timeout", type: "long", default: 0 }
] as const
const answer = [
  { name: "statusCode", type: "int" },
  { name: "reasonPhrase", type: ["null", "string"], default: null }
] as const
const record = (name: string, fields: ReadonlyArray<object>) =>
  avsc.Type.forSchema({ type: "record", name, fields: [...common, ...fields] } as unknown as avsc.Schema, {
    wrapUnions: false
  })
const texts = (...names: ReadonlyArray<string>) => names.map((name) => ({ name, type: "string" }))

export const ValidationRequest = record("EndpointTokenValidationRequest", texts("appName", "token"))
export const ValidationResponse = record("EndpointTokenValidationResponse", [
  { name: "tokenId", type: ["string", "null"] },
  { name: "endpointId", type: ["string", "null"] },
  ...answer
])
export const TransitionRequest = record(
  "EndpointTokenStatusTransitionRequest",
  texts("appName", "token", "targetStatus")
)
export const TransitionResponse = record("EndpointTokenStatusTransitionResponse", [...answer])
export const RevokedEvent = record("EndpointTokenRevokedEvent", [
  ...texts("appName", "endpointId"),
  { name: "tokenIds", type: { type: "array", items: "string" } },
  ...texts("originatorReplicaId")
])
export const UnregisteredEvent = record(
  "UnregisteredEvent",
  texts("appVersionName", "endpointId", "originatorReplicaId")
)
export const TenantUnregisteredEvent = record("TenantUnregisteredEvent", texts("tenantId", "originatorReplicaId"))

export interface Validated {
  readonly correlationId: string
  readonly timestamp: number
  readonly timeout: number
  readonly tokenId: string | null
  readonly endpointId: string | null
  readonly statusCode: number
  readonly reasonPhrase: string | null
}
