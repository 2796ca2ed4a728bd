/**
 * What the world is told of a credential's change: contract section 4, schema of the component
 * document. One JSON event for each change, through the outbox, in order per credential. Never a
 * secret, a fingerprint or metadata of the caller's own.
 *
 * What a tenant's people should act on (an end that is near or has come) is told once more on the
 * tenant's notification subject, `{instance}.events.v1.{tenant}.notification`, in words.
 */
import { Context, Effect, Layer } from "effect"
import type { Credential } from "../../domain/Credential.ts"
import { formatDate } from "../../schema/Timestamp.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"
import type { Workspace } from "../tenant/Workspace.ts"

export type CredentialEventType =
  | "stored"
  | "rotated"
  | "revoked"
  | "expired"
  | "expiring"
  | "refresh_failed"
  | "refresh_in_doubt"
  | "recovered"
  | "reconnect_needed"
  | "health_failed"

export class CredentialEvents extends Context.Service<
  CredentialEvents,
  {
    /** `own`: the fields that this type has beside the common ones. */
    readonly announce: (
      workspace: Workspace,
      type: CredentialEventType,
      credential: Credential,
      own?: Readonly<Record<string, unknown>>
    ) => void
  }
>()("cm/actors/CredentialEvents") {
  static readonly layer = Layer.effect(
    CredentialEvents,
    Effect.map(EventWriter, (writer) => ({
      announce: (workspace, type, credential, own = {}) => {
        const message = words[type]
        workspace.announce(
          writer.json({
            tenantId: workspace.tenantId,
            type: `credential.${type}`,
            entityKey: `credential/${credential.credentialId}`,
            subject: credential.credentialId,
            version: credential.version,
            at: workspace.now,
            data: {
              event_type: `credential.${type}`,
              credential_id: credential.credentialId,
              tenant_id: credential.tenantId,
              service_name: credential.serviceName,
              type: credential.type,
              scopes: credential.scopes,
              timestamp: formatDate(workspace.now),
              ...own
            },
            afterRevocation: false
          })
        )
        if (message === undefined) return
        workspace.announce(
          writer.json({
            tenantId: workspace.tenantId,
            type: "notification",
            entityKey: `notification/${workspace.tenantId}`,
            subject: credential.credentialId,
            version: credential.version,
            at: workspace.now,
            data: {
              event_type: "notification",
              about: `credential.${type}`,
              tenant_id: credential.tenantId,
              credential_id: credential.credentialId,
              service_name: credential.serviceName,
              message: `The ${credential.type} credential of ${credential.serviceName} ${message}.`,
              timestamp: formatDate(workspace.now),
              ...own
            },
            afterRevocation: false
          })
        )
      }
    }))
  )
}

/** What a person is told; the other changes somebody has just asked for. */
const words: { readonly [Type in CredentialEventType]?: string } = {
  expiring: "will end soon",
  expired: "has ended and is not handed out any more",
  reconnect_needed: "is not refreshed any more: its provider takes the grant no more, and somebody must reconnect",
  health_failed: "is not taken by its provider any more, as a look at it has shown",
  refresh_in_doubt: "may have been refreshed at its provider without an answer that arrived; it is being found out"
}
