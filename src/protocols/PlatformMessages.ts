/** The platform protocols' events as they are published in docs/asyncapi.yaml: what is heard and what is sent. */
import * as Cap from "../schema/Cap.ts"
import * as Ecap from "../schema/Ecap.ts"
import * as Elce from "../schema/Elce.ts"
import * as Scmp from "../schema/Scmp.ts"
import * as Tle from "../schema/Tle.ts"

/** What is described of a message: its Avro schema. */
export interface Described {
  readonly schema: Readonly<Record<string, unknown>>
}

export interface PlatformEvent {
  readonly name: string
  readonly action: "send" | "receive"
  readonly address: string
  readonly about: string
  readonly message: Described
}
export const platformEvents: ReadonlyArray<PlatformEvent> = [
  {
    name: "endpoint-token-revoked",
    action: "send",
    address: "kaa.v1.events.{instance}.endpoint.token.revoked",
    about: "A usable token became unusable, or was deleted: end the sessions that use it.",
    message: Ecap.EndpointTokenRevokedEvent
  },
  {
    name: "client-credential-revoked",
    action: "send",
    address: "kaa.v1.events.{instance}.client.credential.revoked",
    about: "16/ECAP: a client credential that was good is so no more, or was deleted: end the sessions that use it.",
    message: Ecap.ClientCredentialRevokedEvent
  },
  {
    name: "client-credentials-basic-revoked",
    action: "send",
    address: "kaa.v1.events.{instance}.client-credentials.basic.revoked",
    about: "22/CAP: the same, for a username and password.",
    message: Cap.ClientCredentialsRevokedEvent
  },
  {
    name: "client-credentials-certificate-revoked",
    action: "send",
    address: "kaa.v1.events.{instance}.client-credentials.certificate.revoked",
    about: "22/CAP: the same, for a certificate.",
    message: Cap.ClientCredentialsRevokedEvent
  },
  {
    name: "endpoint-unregistered",
    action: "receive",
    address: "kaa.v1.events.{originator}.endpoint.lifecycle.unregistered",
    about: "All tokens of the endpoint are deleted. Kept until one replica has carried it out.",
    message: Elce.UnregisteredEvent
  },
  {
    name: "tenant-unregistered",
    action: "receive",
    address: "kaa.v1.events.{originator}.tenant.lifecycle.unregistered",
    about: "The tenant is served no more and what it had is revoked. Kept until one replica has carried it out.",
    message: Tle.UnregisteredEvent
  },
  {
    name: "tenant-updated",
    action: "receive",
    address: "kaa.v1.events.{originator}.tenant.lifecycle.updated",
    about: "The tenant's configuration has changed: it is read from the Tenant Manager and Tekton again.",
    message: Tle.UpdatedEvent
  },
  {
    name: "configuration-upserted",
    action: "receive",
    address: "kaa.v1.events.{originator}.service.configuration.upsert",
    about: "17/SCMP, broadcast: what it names is pulled from Tekton. Heard by every replica, never acknowledged.",
    message: Scmp.BroadcastConfigurationUpdateEvent
  },
  {
    name: "configuration-deleted",
    action: "receive",
    address: "kaa.v1.events.{originator}.service.configuration.delete",
    about: "17/SCMP, broadcast: an application goes out of service; a tenant, or all, is pulled again.",
    message: Scmp.BroadcastConfigurationUpdateEvent
  },
  {
    name: "own-configuration-upserted",
    action: "receive",
    address: "kaa.v1.service.{instance}.scmp.configuration.upsert",
    about: "17/SCMP, targeted: as the broadcast.",
    message: Scmp.ServiceSpecificConfigurationUpdateEvent
  },
  {
    name: "own-configuration-deleted",
    action: "receive",
    address: "kaa.v1.service.{instance}.scmp.configuration.delete",
    about: "17/SCMP, targeted: as the broadcast.",
    message: Scmp.ServiceSpecificConfigurationUpdateEvent
  }
]
