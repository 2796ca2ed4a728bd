/**
 * What the platform is told when a client credential is good no more, or deleted: 16/ECAP
 * `client.credential.revoked` and 22/CAP `client-credentials.<kind>.revoked`, both, once it is in force.
 */
import { Context, Effect, Layer } from "effect"
import type { ClientCredential } from "../../domain/ClientCredential.ts"
import { Replica } from "../../observability/Replica.ts"
import { ClientCredentialsRevokedEvent } from "../../schema/Cap.ts"
import { ClientCredentialRevokedEvent } from "../../schema/Ecap.ts"
import { Ids } from "../tenant/Ids.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"

export class ClientEvents extends Context.Service<
  ClientEvents,
  {
    /** Of a transaction that takes the right away. `credential` is as it is afterwards. */
    readonly revoked: (
      workspace: Workspace,
      credential: ClientCredential,
      caller: Pick<Caller, "correlationId">
    ) => void
  }
>()("cm/actors/ClientEvents") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { instance, replicaId: originatorReplicaId } = yield* Replica
      const ids = yield* Ids
      return {
        revoked: (workspace, { credentialId, name, tenantId, version }, caller) => {
          const correlationId = workspace.correlationIdOf(caller)
          const common = { correlationId, timestamp: BigInt(workspace.now), timeout: 0n }
          const announce = (type: string, payload: Uint8Array) =>
            workspace.announce({
              eventId: ids.next(),
              stream: "revocations",
              subject: `kaa.v1.events.${instance}.${type}`,
              entityKey: `client/${credentialId}`,
              headers: { "ce-entityversion": String(version) },
              payload,
              afterRevocation: true
            })
          announce(
            "client.credential.revoked",
            ClientCredentialRevokedEvent.encode({ ...common, credentialId, originatorReplicaId })
          )
          announce(
            `client-credentials.${name.kind}.revoked`,
            ClientCredentialsRevokedEvent.encode({
              ...common,
              tenantId,
              credentialsId: credentialId,
              originatorReplicaId
            })
          )
        }
      }
    })
  )
}
