/**
 * The commands on third-party credentials, as decisions over a workspace. Contract section 3.4.
 *
 * Each checks everything before it changes anything, writes the audit row and the event of what it
 * did, and needs no barrier: secrets are read from the database under the tenant's lock, so what was
 * answered is in force. A secret goes into a row only sealed; an audit row has its fingerprints.
 */
import { Redacted, Result } from "effect"
import { type Credential, type CredentialVersion, hasRunOut, overlapMsMax, ownerKey } from "../domain/Credential.ts"
import * as Lifecycle from "../domain/CredentialLifecycle.ts"
import { parseSecret, type Secret } from "../domain/CredentialShape.ts"
import type { Refusal } from "../domain/errors.ts"
import * as errors from "../domain/errors.ts"
import { formatDate } from "../schema/Timestamp.ts"
import { noCredentials, slotKey } from "../store/CredentialStore.ts"
import type { Command } from "./Command.ts"
import type { CredentialEvents } from "./CredentialEvents.ts"
import type { ChangedCredential, RotateRequest, StoreRequest, UpdateRequest } from "./Credentials.ts"
import type { Caller } from "./Tenants.ts"
import type { Workspace } from "./Workspace.ts"

/** Seals for one tenant, at once: its data key was fetched before the command went to the mailbox. */
export interface SecretSealer {
  readonly seal: (
    credentialId: string,
    version: number,
    secret: Secret
  ) => Pick<CredentialVersion, "sealed" | "keyId" | "fingerprints">
}

export type Events = CredentialEvents["Service"]

// ---- pieces --------------------------------------------------------------------

type Diff = Readonly<Record<string, unknown>>

export const record = (
  workspace: Workspace,
  action: string,
  credentialId: string,
  caller: Caller,
  diff: Diff | null
): void => workspace.record({ actor: caller.principal, action, entityType: "credential", entityId: credentialId, diff })

/** The credential of this tenant with the version that the caller expects. */
const findOwn = (
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

const inThePast = (expiresAt: number | null | undefined, now: number): Refusal | undefined =>
  typeof expiresAt === "number" && expiresAt <= now
    ? new errors.InvalidRequest({ path: "expires_at", reason: "is in the past" })
    : undefined

const changed = (credential: Credential, workspace: Workspace, caller: Caller): Credential => ({
  ...credential,
  version: credential.version + 1,
  updatedAt: workspace.now,
  updatedBy: caller.principal
})

const putVersions = (workspace: Workspace, versions: ReadonlyArray<CredentialVersion>): void => {
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

const exists = (serviceName: string, { credentialId }: { readonly credentialId: string }): Refusal =>
  new errors.CredentialExists({ serviceName, credentialId })

// ---- store ---------------------------------------------------------------------

export const store = (
  request: StoreRequest,
  credentialId: string,
  sealer: SecretSealer,
  events: Events,
  caller: Caller
): Command<ChangedCredential> => ({
  name: "credential.store",
  caller,
  load: {
    credentials: {
      ...noCredentials,
      slots: [slotKey(request.serviceName, ownerKey(request.owner))],
      serviceNames: [request.serviceName]
    }
  },
  rejected: () => new errors.CredentialExists({ serviceName: request.serviceName, credentialId: null }),
  decide: (workspace) => {
    const { owner, secret: redacted, serviceName, ...rest } = request
    const past = inThePast(request.expiresAt, workspace.now)
    if (past !== undefined) return Result.fail(past)
    const active = workspace.credentials.activeInSlot(serviceName, owner)
    const decision = Lifecycle.decideStore(active, workspace.now)
    if (decision._tag === "Exists") return Result.fail(exists(serviceName, decision))
    if (decision._tag === "ExpireThenInsert") expire(workspace, decision.ended, caller, events)
    const credential: Credential = {
      ...rest,
      credentialId,
      tenantId: workspace.tenantId,
      serviceName,
      owner,
      state: "active",
      version: 1,
      secretVersion: 1,
      noticedMs: null,
      reason: null,
      createdAt: workspace.now,
      updatedAt: workspace.now,
      createdBy: caller.principal,
      updatedBy: caller.principal
    }
    workspace.credentials.insert(credential)
    const version = putSecret(workspace, credential, Redacted.value(redacted), sealer, caller)
    if (workspace.credentials.service(serviceName) === undefined) {
      workspace.credentials.putService({
        tenantId: workspace.tenantId,
        serviceName,
        isActive: true,
        reason: null,
        updatedAt: workspace.now
      })
    }
    record(workspace, "credential.stored", credentialId, caller, {
      service_name: serviceName,
      type: credential.type,
      owner: ownerKey(owner) === "" ? "tenant" : `user:${ownerKey(owner)}`,
      scopes: credential.scopes,
      allowed_consumers: credential.allowedConsumers,
      expires_at: iso(credential.expiresAt),
      credentials: version.fingerprints
    })
    events.announce(workspace, "stored", credential)
    return Result.succeed({ credentialId, version: 1 })
  }
})

const putSecret = (
  workspace: Workspace,
  credential: Credential,
  secret: Secret,
  sealer: SecretSealer,
  caller: Caller
): CredentialVersion => {
  const version: CredentialVersion = {
    credentialId: credential.credentialId,
    version: credential.secretVersion,
    state: "current",
    ...sealer.seal(credential.credentialId, credential.secretVersion, secret),
    expiresAt: credential.expiresAt,
    validUntil: null,
    reason: null,
    createdAt: workspace.now,
    createdBy: caller.principal
  }
  workspace.credentials.putVersion(version)
  return version
}

// ---- rotate --------------------------------------------------------------------

export const rotate = (
  request: RotateRequest & { readonly secret: Redacted.Redacted<unknown> },
  sealer: SecretSealer,
  events: Events,
  caller: Caller
): Command<ChangedCredential> => ({
  name: "credential.rotate",
  caller,
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  rejected: () => new errors.CredentialNotFound({ credentialId: request.credentialId }),
  decide: (workspace) => {
    const { credentialId, expiresAt, overlapMs } = request
    if (overlapMs > overlapMsMax) {
      return Result.fail(new errors.InvalidRequest({ path: "overlap", reason: "must be at most 90 days" }))
    }
    const found = findOwn(workspace, credentialId, request.expectedVersion)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const before = found.success
    const checked = checkRotation(workspace, before, request)
    if (Result.isFailure(checked)) return Result.fail(checked.failure)
    const active = workspace.credentials.activeInSlot(before.serviceName, before.owner)
    if (active !== undefined && active.credentialId !== credentialId) expire(workspace, active, caller, events)
    const next = changed(before, workspace, caller)
    const credential: Credential = {
      ...next,
      state: "active",
      reason: null,
      secretVersion: next.version,
      expiresAt: expiresAt === undefined ? before.expiresAt : expiresAt,
      noticedMs: null
    }
    const versions = workspace.credentials.versionsOf(credentialId)
    const old = workspace.credentials.currentVersion(before)
    putVersions(workspace, Lifecycle.versionsAfterRotation(versions, workspace.now, overlapMs))
    workspace.credentials.update(credential)
    const version = putSecret(workspace, credential, checked.success, sealer, caller)
    const overlapUntil = overlapMs > 0 && before.state === "active" ? iso(workspace.now + overlapMs) : null
    record(workspace, "credential.rotated", credentialId, caller, {
      version: [before.version, credential.version],
      credentials: [old?.fingerprints ?? {}, version.fingerprints],
      expires_at: [iso(before.expiresAt), iso(credential.expiresAt)],
      overlap_until: overlapUntil
    })
    events.announce(workspace, "rotated", credential, {
      version: credential.version,
      expires_at: iso(credential.expiresAt),
      overlap_until: overlapUntil
    })
    return Result.succeed({ credentialId, version: credential.version })
  }
})

/** The new secret, of the shape that the credential's type needs; or why it may not take over. */
const checkRotation = (
  workspace: Workspace,
  credential: Credential,
  request: RotateRequest & { readonly secret: Redacted.Redacted<unknown> }
): Result.Result<Secret, Refusal> => {
  const { credentialId, serviceName } = credential
  const active = workspace.credentials.activeInSlot(serviceName, credential.owner)
  const decision = Lifecycle.decideRotate(credential, active, workspace.now)
  if (decision._tag === "Revoked") return Result.fail(new errors.CredentialRevoked({ credentialId }))
  if (decision._tag === "Exists") return Result.fail(exists(serviceName, decision))
  const past = inThePast(request.expiresAt, workspace.now)
  if (past !== undefined) return Result.fail(past)
  if (request.expiresAt === undefined && hasRunOut(credential, workspace.now)) {
    const reason = "is required: the end of the credential has come"
    return Result.fail(new errors.InvalidRequest({ path: "expires_at", reason }))
  }
  return Result.mapError(
    parseSecret(credential.type, Redacted.value(request.secret)),
    (shape) => new errors.InvalidRequest(shape)
  )
}

// ---- update --------------------------------------------------------------------

export const update = (request: UpdateRequest, caller: Caller): Command<Credential> => ({
  name: "credential.update",
  caller,
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace) => {
    const found = findOwn(workspace, request.credentialId, request.expectedVersion)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const before = found.success
    const { credentialId } = before
    if (before.state === "revoked") return Result.fail(new errors.CredentialRevoked({ credentialId }))
    const past = inThePast(request.expiresAt, workspace.now)
    if (past !== undefined) return Result.fail(past)
    if (before.state === "expired" || hasRunOut(before, workspace.now)) {
      return Result.fail(new errors.CredentialExpired({ credentialId }))
    }
    const { expiresAt } = request
    const after: Credential = {
      ...changed(before, workspace, caller),
      allowedConsumers: request.allowedConsumers ?? before.allowedConsumers,
      scopes: request.scopes ?? before.scopes,
      metadata: request.metadata ?? before.metadata,
      expiresAt: expiresAt === undefined ? before.expiresAt : expiresAt,
      noticedMs: expiresAt === undefined || expiresAt === before.expiresAt ? before.noticedMs : null
    }
    const diff = updateDiff(before, after)
    if (Object.keys(diff).length === 0) return Result.succeed(before)
    workspace.credentials.update(after)
    const version = workspace.credentials.currentVersion(after)
    if (version !== undefined && after.expiresAt !== before.expiresAt) {
      workspace.credentials.putVersion({ ...version, expiresAt: after.expiresAt })
    }
    record(workspace, "credential.updated", credentialId, caller, { ...diff, version: [before.version, after.version] })
    return Result.succeed(after)
  }
})

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** What changed, each as `[before, after]`. */
const updateDiff = (before: Credential, after: Credential): Diff =>
  Object.fromEntries(
    (
      [
        ["allowed_consumers", before.allowedConsumers, after.allowedConsumers],
        ["scopes", before.scopes, after.scopes],
        ["metadata", before.metadata, after.metadata],
        ["expires_at", iso(before.expiresAt), iso(after.expiresAt)]
      ] as const
    ).flatMap(([name, from, to]) => (same(from, to) ? [] : [[name, [from, to]]]))
  )

// ---- revoke, delete ------------------------------------------------------------

const end = (workspace: Workspace, before: Credential, reason: string | null, caller: Caller, events: Events) => {
  const { credentialId } = before
  const after: Credential = { ...changed(before, workspace, caller), state: "revoked", reason }
  workspace.credentials.update(after)
  const versions = workspace.credentials.versionsOf(credentialId)
  putVersions(workspace, Lifecycle.versionsAfterEnd(versions, "revoked", reason ?? "revoked"))
  record(workspace, "credential.revoked", credentialId, caller, {
    state: [before.state, "revoked"],
    version: [before.version, after.version],
    ...(reason === null ? {} : { reason })
  })
  events.announce(workspace, "revoked", after, { version: after.version, reason })
  return after
}

export const revoke = (
  request: { readonly credentialId: string; readonly reason: string | null; readonly expectedVersion: number | null },
  events: Events,
  caller: Caller
): Command<ChangedCredential> => ({
  name: "credential.revoke",
  caller,
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace) =>
    Result.map(findOwn(workspace, request.credentialId, request.expectedVersion), (before) => {
      const after =
        Lifecycle.decideRevoke(before) === "unchanged" ? before : end(workspace, before, request.reason, caller, events)
      return { credentialId: after.credentialId, version: after.version }
    })
})

/** Hard: the rows go, the audit keeps a tombstone. One that was not revoked before is announced as revoked. */
export const remove = (
  request: { readonly credentialId: string; readonly expectedVersion: number | null },
  events: Events,
  caller: Caller
): Command<{ readonly deleted: 1 }> => ({
  name: "credential.delete",
  caller,
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace) =>
    Result.map(findOwn(workspace, request.credentialId, request.expectedVersion), (before) => {
      const { credentialId } = before
      workspace.credentials.delete(credentialId)
      record(workspace, "credential.deleted", credentialId, caller, {
        service_name: before.serviceName,
        type: before.type,
        state: [before.state, null],
        version: [before.version, null]
      })
      if (before.state !== "revoked") {
        const gone = { ...before, version: before.version + 1 }
        events.announce(workspace, "revoked", gone, { version: gone.version, reason: "deleted" })
      }
      return { deleted: 1 as const }
    })
})
