/**
 * The commands on third-party credentials, as decisions over a workspace. Contract section 3.4;
 * `rotate` is in `CredentialRotation.ts`.
 *
 * Each checks everything before it changes anything, writes the audit row and the event of what it
 * did, and needs no barrier: secrets are read from the database under the tenant's lock, so what was
 * answered is in force. A secret goes into a row only sealed; an audit row has its fingerprints.
 *
 * Longer than 300 lines because what may be stored and what may be changed are read together.
 */
import { Redacted, Result } from "effect"
import { type Credential, hasRunOut, isAnswer, ownerKey } from "../../domain/Credential.ts"
import * as Lifecycle from "../../domain/CredentialLifecycle.ts"
import * as errors from "../../domain/errors.ts"
import * as Life from "../../domain/GrantLife.ts"
import { dueAt, type Refresh } from "../../domain/Refresh.ts"
import { defaultLimits } from "../../domain/TenantLimits.ts"
import { noCredentials, slotKey } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import { credentialChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import {
  changed,
  type Diff,
  type Events,
  erase,
  exists,
  expire,
  findOwn,
  inThePast,
  iso,
  putSecret,
  putVersions,
  record,
  type SecretSealer
} from "./Change.ts"
import type { ChangedCredential, CredentialMetadata, StoreRequest, UpdateRequest } from "./Credentials.ts"
import { metadataOf } from "./Metadata.ts"
import { firstRefresh, type RefreshSetup, refreshTakenUp, withRefresh } from "./RefreshCommands.ts"
import {
  beginning,
  changeRefusal,
  forgetRotation,
  ownEntryGone,
  ownEntryLacks,
  ownEntryOf,
  rotatingAfter
} from "./RotationChange.ts"
import { withRotating } from "./RotationSteps.ts"
import type { RotatorSetup } from "./Rotators.ts"

// ---- store ---------------------------------------------------------------------

export const store = (
  request: StoreRequest,
  credentialId: string,
  sealer: SecretSealer,
  events: Events,
  caller: Caller,
  credentialsMax: number = defaultLimits.credentials,
  setup: RefreshSetup | RotatorSetup | null = null
): Command<ChangedCredential> => ({
  name: "credential.store",
  caller,
  load: {
    credentials: {
      ...noCredentials,
      slots: [slotKey(request.serviceName, ownerKey(request.owner))],
      serviceNames: [request.serviceName],
      ...ownEntryOf(setup)
    }
  },
  rejected: () => new errors.CredentialExists({ serviceName: request.serviceName, credentialId: null }),
  decide: (workspace) => {
    const { owner, secret: redacted, serviceName, ...rest } = request
    const past = inThePast(request.expiresAt, workspace.now)
    if (past !== undefined) return Result.fail(past)
    const lacks = ownEntryLacks(workspace, setup)
    if (lacks !== undefined) return Result.fail(lacks)
    const active = workspace.credentials.activeInSlot(serviceName, owner)
    const decision = Lifecycle.decideStore(active, workspace.now)
    if (decision._tag === "Exists") return Result.fail(exists(serviceName, decision))
    if (workspace.credentialStock >= credentialsMax) {
      return Result.fail(new errors.LimitReached({ limit: "credentials", max: credentialsMax }))
    }
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
    if (setup !== null) {
      workspace.credentials.update(
        "rotator" in setup
          ? withRotating(credential, beginning(setup, workspace.now))
          : withRefresh(credential, firstRefresh(setup, version, workspace.now))
      )
    }
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

// ---- update --------------------------------------------------------------------

export interface UpdateSetup {
  /** Which secret it was checked against. */
  readonly secretVersion: number
  readonly refresh: RefreshSetup | RotatorSetup | null
  /** That secret has fields that are a rotator's alone. */
  readonly isAdministrative: boolean
}

/** Its answer is made in the transaction, so that a repetition by an idempotency key finds it as it was. */
export const update = (
  request: UpdateRequest,
  caller: Caller,
  setup: UpdateSetup | null = null
): Command<CredentialMetadata> => ({
  name: "credential.update",
  caller,
  load: { credentials: { ...noCredentials, ids: [request.credentialId], ...ownEntryOf(setup?.refresh ?? null) } },
  decide: (workspace) => {
    const found = findOwn(workspace, request.credentialId, request.expectedVersion)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const before = found.success
    const { credentialId } = before
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    if (before.state === "revoked") return Result.fail(new errors.CredentialRevoked({ credentialId }))
    const past = inThePast(request.expiresAt, workspace.now)
    if (past !== undefined) return Result.fail(past)
    if (before.state === "expired" || hasRunOut(before, workspace.now)) {
      return Result.fail(new errors.CredentialExpired({ credentialId }))
    }
    const { expiresAt } = request
    if (setup !== null && setup.secretVersion !== before.secretVersion) {
      // It was checked against a secret that is not in force any more.
      return Result.fail(
        new errors.VersionConflict({ expectedVersion: setup.secretVersion, actualVersion: before.secretVersion })
      )
    }
    if (setup?.isAdministrative === true && before.rotating !== undefined && !("rotator" in (setup.refresh ?? {}))) {
      const reason = "must name a rotator while the secret has its admin_username or admin_password: rotate them out"
      return Result.fail(new errors.InvalidRequest({ path: "rotation", reason }))
    }
    const gone = ownEntryGone(before, setup?.refresh ?? null) ?? ownEntryLacks(workspace, setup?.refresh ?? null)
    if (gone !== undefined) return Result.fail(gone)
    const unended =
      setup === null ? undefined : changeRefusal(before, request.rotation ?? null, setup.refresh, workspace.now)
    if (unended !== undefined) return Result.fail(unended)
    const after: Credential = {
      ...changed(before, workspace, caller),
      ...rotationAfter(workspace, before, request, setup),
      allowedConsumers: request.allowedConsumers ?? before.allowedConsumers,
      scopes: request.scopes ?? before.scopes,
      metadata: request.metadata ?? before.metadata,
      expiresAt: expiresAt === undefined ? before.expiresAt : expiresAt,
      noticedMs: expiresAt === undefined || expiresAt === before.expiresAt ? before.noticedMs : null
    }
    const diff = updateDiff(before, after)
    const shown = (credential: Credential): CredentialMetadata => {
      const serviceActive = workspace.credentials.service(credential.serviceName)?.isActive ?? true
      return metadataOf({ credential, serviceActive }, workspace.now)
    }
    if (Object.keys(diff).length === 0) return Result.succeed(shown(before))
    workspace.credentials.update(after)
    const version = workspace.credentials.currentVersion(after)
    if (version !== undefined && after.expiresAt !== before.expiresAt) {
      workspace.credentials.putVersion({ ...version, expiresAt: after.expiresAt })
    }
    record(workspace, "credential.updated", credentialId, caller, { ...diff, version: [before.version, after.version] })
    return Result.succeed(shown(after))
  }
})

/** What is refreshed, and how, from now on. */
const rotationAfter = (
  workspace: Workspace,
  before: Credential,
  request: UpdateRequest,
  setup: UpdateSetup | null
): Partial<Credential> => {
  const { rotation } = request
  const version = workspace.credentials.currentVersion(before)
  if (rotation === undefined || setup === null || version === undefined) return {}
  if (setup.refresh === null || "rotator" in setup.refresh) {
    const formerRefresh = before.refresh ?? before.formerRefresh
    return { refresh: undefined, formerRefresh, ...rotatingAfter(workspace, before, rotation, setup.refresh) }
  }
  forgetRotation(workspace, before)
  const first = firstRefresh(setup.refresh, version, workspace.now)
  const versions = workspace.credentials.versionsOf(before.credentialId)
  // The grants that are held stay held, and a claim that is under way stays one.
  const known =
    before.refresh === undefined
      ? refreshTakenUp(before.formerRefresh, first, setup.refresh, versions)
      : namedAnew(before.refresh, first)
  const refresh = {
    ...known,
    provider: first.provider,
    own: first.own,
    lane: first.lane,
    queue: first.queue,
    nextRefreshAt: first.nextRefreshAt,
    grantExpiresAt: first.grantExpiresAt,
    health: first.health
  }
  return { rotation, refresh, formerRefresh: undefined, rotating: undefined, refreshDueAt: dueAt(refresh) }
}

const namedAnew = (before: Refresh, named: Refresh): Refresh => {
  const { holding, state } = Life.namedAnew({ state: before.grant, holding: before.holding }, before, named)
  return { ...before, holding, grant: state }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** It was stored for an entry of the tenant's own. */
const namesOwn = ({ refresh, rotating }: Credential): boolean => refresh?.own === true || rotating?.own === true

/** What changed, each as `[before, after]`. */
const updateDiff = (before: Credential, after: Credential): Diff =>
  Object.fromEntries(
    (
      [
        ["allowed_consumers", before.allowedConsumers, after.allowedConsumers],
        ["scopes", before.scopes, after.scopes],
        ["metadata", before.metadata, after.metadata],
        ["rotation", before.rotation, after.rotation],
        ["own_entry", namesOwn(before), namesOwn(after)],
        ["expires_at", iso(before.expiresAt), iso(after.expiresAt)],
        [
          "not_retired",
          before.rotating?.cleanups.map(({ generation }) => generation) ?? [],
          after.rotating?.cleanups.map(({ generation }) => generation) ?? []
        ]
      ] as const
    ).flatMap(([name, from, to]) => (same(from, to) ? [] : [[name, [from, to]]]))
  )

// ---- revoke, delete ------------------------------------------------------------

/** Whoever answers the caller tries at once; when it dies, somebody else does after this. */
const revokeAgainMs = 20_000

const end = (
  workspace: Workspace,
  before: Credential,
  reason: string | null,
  caller: Caller,
  events: Events,
  asksProvider: boolean
) => {
  const { credentialId, refresh } = before
  const ended: Credential = { ...changed(before, workspace, caller), state: "revoked", reason, refreshDueAt: null }
  const versions = workspace.credentials.versionsOf(credentialId)
  // What the provider would take next, as it is under the lock, and what it has answered meanwhile stay sealed for it.
  const wanted =
    refresh === undefined || !asksProvider || !workspace.holds.credential(credentialId)
      ? undefined
      : (Life.spendable(refresh.holding)?.version ?? before.secretVersion)
  const kept = versions.find(({ version }) => version === wanted)
  const after: Credential =
    refresh !== undefined && kept !== undefined
      ? {
          ...ended,
          refresh: { ...refresh, grant: { ...refresh.grant, attempts: 0 }, atProvider: "pending" },
          refreshDueAt: workspace.now + revokeAgainMs
        }
      : ended
  workspace.credentials.update(after)
  const ending = kept === undefined ? versions : versions.filter((version) => !isAnswer(version))
  putVersions(
    workspace,
    Lifecycle.versionsAfterEnd(ending, "revoked", reason ?? "revoked").map((version) =>
      version.version === kept?.version ? { ...version, sealed: kept.sealed, keyId: kept.keyId } : version
    )
  )
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
  caller: Caller,
  asksProvider = false
): Command<ChangedCredential> => ({
  name: "credential.revoke",
  caller,
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace) =>
    Result.map(findOwn(workspace, request.credentialId, request.expectedVersion), (before) => {
      const after =
        Lifecycle.decideRevoke(before) === "unchanged"
          ? before
          : end(workspace, before, request.reason, caller, events, asksProvider)
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
      erase(workspace, before, "deleted", caller, events)
      return { deleted: 1 as const }
    })
})
