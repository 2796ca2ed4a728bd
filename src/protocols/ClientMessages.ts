/**
 * The four questions about client credentials, of 16/ECAP and 22/CAP: what each asks, as one value, and how
 * its answer is written. `credentialId` there is `credentialsId` here, and only the answer about a certificate
 * of 22/CAP names the tenant.
 *
 * Source: 16/ECAP, "Client username/password validation", "Client certificate validation"; 22/CAP, "Request/response".
 */
import { type ClientAnswer, isIssuer, isPassword, isUsername, serialNumberPattern } from "../domain/ClientCredential.ts"
import { tenantIdPattern } from "../domain/Names.ts"
import * as Cap from "../schema/Cap.ts"
import * as Ecap from "../schema/Ecap.ts"
import type { Described } from "./PlatformMessages.ts"

export interface Envelope {
  readonly correlationId: string
  readonly timestamp: bigint
  readonly timeout: bigint
}

export type Question =
  | { readonly kind: "basic"; readonly username: string; readonly password: string; readonly tenantId: string | null }
  | { readonly kind: "certificate"; readonly issuer: string; readonly serialNumber: string }

export interface ClientMessage {
  readonly protocol: "ecap" | "cap"
  /** The last token of its subject. */
  readonly type: string
  readonly request: Described
  readonly answer: Described
  /** Null for what is no such message. `question` is null when a text of it is outside its limits. */
  readonly read: (bytes: Uint8Array) => { readonly envelope: Envelope; readonly question: Question | null } | null
  readonly write: (envelope: Envelope, answer: ClientAnswer) => Uint8Array
}

const basic = (username: string | null, password: string | null, tenantId: string | null): Question | null =>
  username !== null &&
  password !== null &&
  isUsername(username) &&
  isPassword(password) &&
  (tenantId === null || tenantIdPattern.test(tenantId))
    ? { kind: "basic", username, password, tenantId }
    : null

const certificate = (issuer: string, serialNumber: string): Question | null =>
  isIssuer(issuer) && serialNumberPattern.test(serialNumber) ? { kind: "certificate", issuer, serialNumber } : null

const common = ({ correlationId, timestamp, timeout }: Envelope) => ({ correlationId, timestamp, timeout })
const verdict = ({ clientId, statusCode }: ClientAnswer) => ({ clientId, statusCode, reasonPhrase: null })

export const clientMessages: ReadonlyArray<ClientMessage> = [
  {
    protocol: "ecap",
    type: "client-username-password-request",
    request: Ecap.ClientUsernamePasswordValidationRequest,
    answer: Ecap.ClientUsernamePasswordValidationResponse,
    read: (bytes) => {
      const request = Ecap.ClientUsernamePasswordValidationRequest.decode(bytes)
      return request === null
        ? null
        : { envelope: common(request), question: basic(request.username, request.password, null) }
    },
    write: (envelope, answer) =>
      Ecap.ClientUsernamePasswordValidationResponse.encode({
        ...envelope,
        credentialId: answer.credentialId,
        ...verdict(answer)
      })
  },
  {
    protocol: "ecap",
    type: "client-certificate-request",
    request: Ecap.ClientCertificateValidationRequest,
    answer: Ecap.ClientCertificateValidationResponse,
    read: (bytes) => {
      const request = Ecap.ClientCertificateValidationRequest.decode(bytes)
      return request === null
        ? null
        : { envelope: common(request), question: certificate(request.issuer, request.serialNumber) }
    },
    write: (envelope, answer) =>
      Ecap.ClientCertificateValidationResponse.encode({
        ...envelope,
        credentialId: answer.credentialId,
        ...verdict(answer)
      })
  },
  {
    protocol: "cap",
    type: "basic-request",
    request: Cap.ClientBasicAuthenticationRequest,
    answer: Cap.ClientBasicAuthenticationResponse,
    read: (bytes) => {
      const request = Cap.ClientBasicAuthenticationRequest.decode(bytes)
      return request === null
        ? null
        : { envelope: common(request), question: basic(request.username, request.password, request.tenantId) }
    },
    write: (envelope, answer) =>
      Cap.ClientBasicAuthenticationResponse.encode({
        ...envelope,
        credentialsId: answer.credentialId,
        ...verdict(answer)
      })
  },
  {
    protocol: "cap",
    type: "certificate-request",
    request: Cap.ClientCertificateAuthenticationRequest,
    answer: Cap.ClientCertificateAuthenticationResponse,
    read: (bytes) => {
      const request = Cap.ClientCertificateAuthenticationRequest.decode(bytes)
      return request === null
        ? null
        : { envelope: common(request), question: certificate(request.issuer, request.serialNumber) }
    },
    write: (envelope, answer) =>
      Cap.ClientCertificateAuthenticationResponse.encode({
        ...envelope,
        tenantId: answer.tenantId,
        credentialsId: answer.credentialId,
        ...verdict(answer)
      })
  }
]
