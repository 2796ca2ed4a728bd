/**
 * The steps that commands on credentials are made of: finding the tenant's own, sealing a secret into
 * its version, ending one whose end has come, and writing down what happened.
 */
import { Result } from "effect"
import type { Credential, CredentialVersion } from "../../domain/Credential.ts"
import * as Lifecycle from "../../domain/CredentialLifecycle.ts"
import type { Secret } from "../../domain/CredentialShape.ts"
import type { Refusal } from "../../domain/errors.ts"
import * as errors from "../../domain/errors.ts"
import { formatDate } from "../../schema/Timestamp.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import type { CredentialEvents } from "./Events.ts"

/** Seals for one tenant, at once: its data key was fetched before the command went to the mailbox. */
export interface SecretSealer {
  readonly seal: (
    credentialId: string,
    version: number,
    secret: Secret,
    /** The fingerprints of the credential's other versions: what is equal keeps its own. */
    before: ReadonlyArray<CredentialVersion["fingerprints"]>
  ) => Pick<CredentialVersion, "sealed" | "keyId" | "fingerprints">
}

export type Events = CredentialEvents["Service"]

export type Diff = Readonly<Record<string, unknown>>

export const record = (
  workspace: Workspace,
  action: string,
  credentialId: string,
  caller: Caller,
  diff: Diff | null
): void => workspace.record(caller, { action, entityType: "credential", entityId: credentialId, diff })

/** The credential of this tenant with the version that the caller expects. */
export const findOwn = (
  workspace: Workspace,
  credentialId: string,
  expectedVersion: number | null
): Result.Result<Credential, Refusal> => {
  const credential = workspace.credentials.own(credentialId)
  if (credential === undefined) return Result.fail(new errors.CredentialNotFound({ credentialId }))
  if (expectedVersion !== null && expectedVersion !== credential.version) {
    return Result.fail(new errors.VersionConflict({ expectedVersion, actualVersion: credential.version }))
  }
  return Result.succeed(credential)
}

export const inThePast = (expiresAt: number | null | undefined, now: number): Refusal | undefined =>
  typeof expiresAt === "number" && expiresAt <= now
    ? new errors.InvalidRequest({ path: "expires_at", reason: "is in the past" })
    : undefined

export const changed = (credential: Credential, workspace: Workspace, caller: Caller): Credential => ({
  ...credential,
  version: credential.version + 1,
  updatedAt: workspace.now,
  updatedBy: caller.principal
})

export const putVersions = (workspace: Workspace, versions: ReadonlyArray<CredentialVersion>): void => {
  for (const version of versions) workspace.credentials.putVersion(version)
}

/** Whose own end has come: no secret is handed out from that moment on; now its row says so too. */
export const expire = (workspace: Workspace, credential: Credential, caller: Caller, events: Events): void => {
  const { credentialId } = credential
  const ended: Credential = { ...changed(credential, workspace, caller), state: "expired", reason: "expired" }
  workspace.credentials.update(ended)
  const versions = workspace.credentials.versionsOf(credentialId)
  putVersions(workspace, Lifecycle.versionsAfterEnd(versions, "expired", "expired"))
  record(workspace, "credential.expired", credentialId, caller, { state: [credential.state, "expired"] })
  events.announce(workspace, "expired", ended, { expires_at: iso(ended.expiresAt) })
}

export const iso = (time: number | null): string | null => (time === null ? null : formatDate(time))

export const exists = (serviceName: string, { credentialId }: { readonly credentialId: string }): Refusal =>
  new errors.CredentialExists({ serviceName, credentialId })

/** The new secret, sealed, as the version that is handed out. */
export const putSecret = (
  workspace: Workspace,
  credential: Credential,
  secret: Secret,
  sealer: SecretSealer,
  caller: Caller
): CredentialVersion => {
  const { credentialId, secretVersion } = credential
  const before = workspace.credentials.versionsOf(credentialId).map(({ fingerprints }) => fingerprints)
  const version: CredentialVersion = {
    credentialId,
    version: secretVersion,
    state: "current",
    ...sealer.seal(credentialId, secretVersion, secret, before.toReversed()),
    expiresAt: credential.expiresAt,
    validUntil: null,
    reason: null,
    createdAt: workspace.now,
    createdBy: caller.principal
  }
  workspace.credentials.putVersion(version)
  return version
}

/** Hard: the rows go, the audit keeps a tombstone. One that was not revoked before is announced as revoked. */
export const erase = (
  workspace: Workspace,
  before: Credential,
  reason: "deleted" | "removed",
  caller: Caller,
  events: Events
): void => {
  const { credentialId } = before
  workspace.credentials.delete(credentialId)
  record(workspace, "credential.deleted", credentialId, caller, {
    service_name: before.serviceName,
    type: before.type,
    state: [before.state, null],
    version: [before.version, null],
    reason
  })
  if (before.state === "revoked") return
  const gone = { ...before, version: before.version + 1 }
  events.announce(workspace, "revoked", gone, { version: gone.version, reason })
}
