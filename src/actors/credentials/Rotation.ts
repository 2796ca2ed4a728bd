/**
 * A new secret for a credential, as a decision over a workspace. Contract section 3.4, `rotate`.
 *
 * Also what brings an expired credential back. The old secret is kept for the overlap, or wiped.
 */
import { Redacted, Result } from "effect"
import { type Credential, hasRunOut, overlapMsMax, versionsKeptMax } from "../../domain/Credential.ts"
import * as Lifecycle from "../../domain/CredentialLifecycle.ts"
import { parseSecret, type Secret } from "../../domain/CredentialShape.ts"
import type { Refusal } from "../../domain/errors.ts"
import * as errors from "../../domain/errors.ts"
import { heldVersions } from "../../domain/Refresh.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import { credentialChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import {
  changed,
  type Events,
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
import type { ChangedCredential, RotateRequest } from "./Credentials.ts"
import { type RefreshSetup, refreshAfterHand, withRefresh } from "./RefreshCommands.ts"
import { ownEntryGone } from "./RotationChange.ts"
import { handStored } from "./RotationSteps.ts"
import { putUnreadAside } from "./UnreadAnswers.ts"

export interface HandSetup {
  /** The credential's version that was looked at. */
  readonly seenVersion: number
  /** Null: it was not refreshed. */
  readonly setup: RefreshSetup | null
}
const nothingRefreshed: HandSetup = { seenVersion: 0, setup: null }

export const rotate = (
  request: RotateRequest & { readonly secret: Redacted.Redacted<unknown> },
  sealer: SecretSealer,
  events: Events,
  caller: Caller,
  { seenVersion, setup }: HandSetup = nothingRefreshed
): Command<ChangedCredential> => ({
  name: "credential.rotate",
  caller,
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace) => {
    const { credentialId, expiresAt } = request
    const overlapMs = request.overlapMs ?? 0
    if (overlapMs > overlapMsMax) {
      return Result.fail(new errors.InvalidRequest({ path: "overlap", reason: "must be at most 90 days" }))
    }
    const found = findOwn(workspace, credentialId, request.expectedVersion)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const before = found.success
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    const checked = checkRotation(workspace, before, request)
    if (Result.isFailure(checked)) return Result.fail(checked.failure)
    if (setup?.provider.name !== before.refresh?.provider) {
      // It was checked for another provider than the one that it goes on with.
      return Result.fail(new errors.VersionConflict({ expectedVersion: seenVersion, actualVersion: before.version }))
    }
    const gone = ownEntryGone(before, setup)
    if (gone !== undefined) return Result.fail(gone)
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
    putUnreadAside(workspace, before)
    const versions = workspace.credentials.versionsOf(credentialId)
    if (overlapMs > 0 && versions.filter(({ sealed }) => sealed !== null).length >= versionsKeptMax) {
      return Result.fail(new errors.LimitReached({ limit: "versionsKept", max: versionsKeptMax }))
    }
    const old = workspace.credentials.currentVersion(before)
    putVersions(workspace, Lifecycle.versionsAfterRotation(versions, workspace.now, overlapMs))
    workspace.credentials.update(credential)
    const version = putSecret(workspace, credential, checked.success, sealer, caller)
    if (setup !== null && before.refresh !== undefined) {
      const refresh = refreshAfterHand(before.refresh, setup, version, workspace.now)
      const wasTold = before.refresh.told
      // What was in force may have a successor on its way: it is kept beside, until that is known.
      const held = heldVersions(refresh.holding)
      putVersions(workspace, Lifecycle.versionsBesideHeld(versions, held, version.version, workspace.now))
      workspace.credentials.update(withRefresh(credential, refresh))
      if (wasTold.reconnect || wasTold.inDoubt || wasTold.failedAt !== null) {
        events.announce(workspace, "recovered", credential, { version: credential.version })
      }
    }
    if (before.rotating !== undefined) {
      workspace.credentials.update(handStored(workspace.credentials.own(credentialId)!, workspace.now))
    }
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
      overlap_until: overlapUntil,
      cause: "request"
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
    const reason =
      "is required, since the one of before has come: a date, or null for a secret that has no end of its own"
    return Result.fail(new errors.InvalidRequest({ path: "expires_at", reason }))
  }
  return Result.mapError(
    parseSecret(credential.type, Redacted.value(request.secret)),
    (shape) => new errors.InvalidRequest(shape)
  )
}
