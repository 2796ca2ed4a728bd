/**
 * 22/CAP, client authentication: its messages.
 *
 * Here it is `credentialsId`, in 16/ECAP `credentialId`. The certificate request has no tenant; its
 * response has. Source: 22/CAP, "Request/response", "Events".
 */
import { common, commonOfEvents, message, type Of } from "./Avro.ts"

const namespace = "org.kaaproject.ipc.cap.gen.v1"
const answer = {
  credentialsId: "stringOrNull",
  clientId: "stringOrNull",
  statusCode: "int",
  reasonPhrase: "nullOrString"
} as const

export const ClientBasicAuthenticationRequest = message(namespace, "ClientBasicAuthenticationRequest", {
  ...common,
  tenantId: "string",
  username: "string",
  password: "string"
})
export type ClientBasicAuthenticationRequest = Of<typeof ClientBasicAuthenticationRequest>

export const ClientBasicAuthenticationResponse = message(namespace, "ClientBasicAuthenticationResponse", {
  ...common,
  ...answer
})
export type ClientBasicAuthenticationResponse = Of<typeof ClientBasicAuthenticationResponse>

export const ClientCertificateAuthenticationRequest = message(namespace, "ClientCertificateAuthenticationRequest", {
  ...common,
  issuer: "string",
  serialNumber: "string"
})
export type ClientCertificateAuthenticationRequest = Of<typeof ClientCertificateAuthenticationRequest>

export const ClientCertificateAuthenticationResponse = message(namespace, "ClientCertificateAuthenticationResponse", {
  ...common,
  tenantId: "stringOrNull",
  ...answer
})
export type ClientCertificateAuthenticationResponse = Of<typeof ClientCertificateAuthenticationResponse>

/** Published for both kinds; the subject tells them apart. */
export const ClientCredentialsRevokedEvent = message(namespace, "ClientCredentialsRevokedEvent", {
  ...commonOfEvents,
  tenantId: "string",
  credentialsId: "string",
  originatorReplicaId: "string"
})
export type ClientCredentialsRevokedEvent = Of<typeof ClientCredentialsRevokedEvent>
