/** The client half of 16/ECAP, and 22/CAP, as a stranger would write them: from the RFCs' fields, not from our source. */
import type { NatsConnection } from "@nats-io/transport-node"
import avsc from "avsc"

const record = (name: string, fields: ReadonlyArray<object>) =>
  avsc.Type.forSchema(
    {
      type: "record",
      name,
      fields: [
        { name: "correlationId", type: "string" },
        { name: "timestamp", type: "long" },
        { name: "timeout", type: "long", default: 0 },
        ...fields
      ]
    } as unknown as avsc.Schema,
    { wrapUnions: false }
  )
const text = (name: string) => ({ name, type: "string" })
const textOrNull = (name: string) => ({ name, type: ["string", "null"] })
const verdict = [
  { name: "statusCode", type: "int" },
  { name: "reasonPhrase", type: ["null", "string"], default: null }
]

/** By the subject's tail: what is asked and what is answered. */
export const wire = {
  "ecap.client-username-password-request": {
    request: record("ClientUsernamePasswordValidationRequest", [textOrNull("username"), textOrNull("password")]),
    answer: record("ClientUsernamePasswordValidationResponse", [
      textOrNull("credentialId"),
      textOrNull("clientId"),
      ...verdict
    ])
  },
  "ecap.client-certificate-request": {
    request: record("ClientCertificateValidationRequest", [text("issuer"), text("serialNumber")]),
    answer: record("ClientCertificateValidationResponse", [
      textOrNull("credentialId"),
      textOrNull("clientId"),
      ...verdict
    ])
  },
  "cap.basic-request": {
    request: record("ClientBasicAuthenticationRequest", [text("tenantId"), text("username"), text("password")]),
    answer: record("ClientBasicAuthenticationResponse", [
      textOrNull("credentialsId"),
      textOrNull("clientId"),
      ...verdict
    ])
  },
  "cap.certificate-request": {
    request: record("ClientCertificateAuthenticationRequest", [text("issuer"), text("serialNumber")]),
    answer: record("ClientCertificateAuthenticationResponse", [
      textOrNull("tenantId"),
      textOrNull("credentialsId"),
      textOrNull("clientId"),
      ...verdict
    ])
  }
} as const
export type Tail = keyof typeof wire

export const ClientCredentialRevokedEvent = record("ClientCredentialRevokedEvent", [
  text("credentialId"),
  text("originatorReplicaId")
])
export const ClientCredentialsRevokedEvent = record("ClientCredentialsRevokedEvent", [
  text("tenantId"),
  text("credentialsId"),
  text("originatorReplicaId")
])

export interface Checked {
  readonly correlationId: string
  readonly statusCode: number
  readonly reasonPhrase: string | null
  readonly clientId: string | null
  readonly credentialId?: string | null
  readonly credentialsId?: string | null
  readonly tenantId?: string | null
}

/** Asks over a connection that may; `given` are the fields of the message beside the common ones. */
export const clientAsker =
  (nc: NatsConnection, instance: string) =>
  async (tail: Tail, given: Readonly<Record<string, unknown>>): Promise<Checked> => {
    const { answer, request } = wire[tail]
    const payload = request.toBuffer({ correlationId: "test", timestamp: 1_700_000_000_000, timeout: 0, ...given })
    const reply = await nc.request(`kaa.v1.service.${instance}.${tail}`, payload, { timeout: 75_000 })
    return answer.fromBuffer(Buffer.from(reply.data)) as Checked
  }
