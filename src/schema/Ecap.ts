/** 16/ECAP, endpoint and client authentication: its messages. Source: 16/ECAP, "Request/response", "Events". */
import { common, commonOfEvents, message, type Of } from "./Avro.ts"

const namespace = "org.kaaproject.ipc.ecap.gen.v1"
const answer = { statusCode: "int", reasonPhrase: "nullOrString" } as const

export const EndpointTokenValidationRequest = message(namespace, "EndpointTokenValidationRequest", {
  ...common,
  appName: "string",
  token: "string"
})
export type EndpointTokenValidationRequest = Of<typeof EndpointTokenValidationRequest>

export const EndpointTokenValidationResponse = message(namespace, "EndpointTokenValidationResponse", {
  ...common,
  tokenId: "stringOrNull",
  endpointId: "stringOrNull",
  ...answer
})
export type EndpointTokenValidationResponse = Of<typeof EndpointTokenValidationResponse>

export const EndpointTokenStatusTransitionRequest = message(namespace, "EndpointTokenStatusTransitionRequest", {
  ...common,
  appName: "string",
  token: "string",
  targetStatus: "string"
})
export type EndpointTokenStatusTransitionRequest = Of<typeof EndpointTokenStatusTransitionRequest>

export const EndpointTokenStatusTransitionResponse = message(namespace, "EndpointTokenStatusTransitionResponse", {
  ...common,
  ...answer
})
export type EndpointTokenStatusTransitionResponse = Of<typeof EndpointTokenStatusTransitionResponse>

/** One event per application and endpoint, with all its token ids. */
export const EndpointTokenRevokedEvent = message(namespace, "EndpointTokenRevokedEvent", {
  ...commonOfEvents,
  appName: "string",
  endpointId: "string",
  tokenIds: "strings",
  originatorReplicaId: "string"
})
export type EndpointTokenRevokedEvent = Of<typeof EndpointTokenRevokedEvent>

export const ClientUsernamePasswordValidationRequest = message(namespace, "ClientUsernamePasswordValidationRequest", {
  ...common,
  username: "stringOrNull",
  password: "stringOrNull"
})
export type ClientUsernamePasswordValidationRequest = Of<typeof ClientUsernamePasswordValidationRequest>

export const ClientUsernamePasswordValidationResponse = message(namespace, "ClientUsernamePasswordValidationResponse", {
  ...common,
  credentialId: "stringOrNull",
  clientId: "stringOrNull",
  ...answer
})
export type ClientUsernamePasswordValidationResponse = Of<typeof ClientUsernamePasswordValidationResponse>

/** `serialNumber` is written in base 10. */
export const ClientCertificateValidationRequest = message(namespace, "ClientCertificateValidationRequest", {
  ...common,
  issuer: "string",
  serialNumber: "string"
})
export type ClientCertificateValidationRequest = Of<typeof ClientCertificateValidationRequest>

export const ClientCertificateValidationResponse = message(namespace, "ClientCertificateValidationResponse", {
  ...common,
  credentialId: "stringOrNull",
  clientId: "stringOrNull",
  ...answer
})
export type ClientCertificateValidationResponse = Of<typeof ClientCertificateValidationResponse>

export const ClientCredentialRevokedEvent = message(namespace, "ClientCredentialRevokedEvent", {
  ...commonOfEvents,
  credentialId: "string",
  originatorReplicaId: "string"
})
export type ClientCredentialRevokedEvent = Of<typeof ClientCredentialRevokedEvent>
