/**
 * What happens to credentials by themselves: their end, the end of an overlap, the notices before.
 *
 * Commands of the sweeps. Each looks again at rows under the tenant's lock, so that doing one twice
 * does it once, on one replica or several.
 */
import { Result } from "effect"
import type { Credential } from "../../domain/Credential.ts"
import * as Lifecycle from "../../domain/CredentialLifecycle.ts"
import { caresForItself } from "../../domain/Refresh.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import { type Events, erase, expire, iso, record } from "./Change.ts"

const dayMs = 86_400_000

/** Answers the credentials that expired now. */
export const expireAll = (
  credentialIds: ReadonlyArray<string>,
  events: Events,
  caller: Caller
): Command<ReadonlyArray<string>> => ({
  name: "credential.expire",
  caller,
  load: { credentials: { ...noCredentials, ids: credentialIds } },
  onRemovedTenant: true,
  decide: (workspace) => {
    const ended = credentialIds.flatMap((credentialId) => workspace.credentials.own(credentialId) ?? [])
    const due = ended.filter((credential) => Lifecycle.decideExpire(credential, workspace.now) === "changed")
    for (const credential of due) expire(workspace, credential, caller, events)
    return Result.succeed(due.map((credential) => credential.credentialId))
  }
})

/** Wipes the secrets that were kept for an overlap that is over. */
export const endOverlaps = (credentialIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "credential.end-overlap",
  caller,
  load: { credentials: { ...noCredentials, ids: credentialIds } },
  onRemovedTenant: true,
  decide: (workspace) => {
    let wiped = 0
    for (const credentialId of credentialIds) {
      if (workspace.credentials.own(credentialId) === undefined) continue
      for (const version of workspace.credentials.versionsOf(credentialId)) {
        if (!Lifecycle.overlapIsOver(version, workspace.now)) continue
        workspace.credentials.putVersion({ ...version, state: "superseded", sealed: null, keyId: null })
        record(workspace, "credential.overlap-ended", credentialId, caller, { version: version.version })
        wiped++
      }
    }
    return Result.succeed(wiped)
  }
})

/** The same for the end of a grant, after which only a person can reconnect. */
const noticeGrant = (
  workspace: Workspace,
  credential: Credential,
  thresholdsMs: ReadonlyArray<number>,
  events: Events
): boolean => {
  const { refresh } = credential
  if (refresh === undefined || credential.state === "revoked") return false
  const { grantExpiresAt, grantNoticedMs: givenMs = null } = refresh
  const due = Lifecycle.noticeDue({ expiresAt: grantExpiresAt, now: workspace.now, thresholdsMs, givenMs })
  if (due === null) return false
  workspace.credentials.update({ ...credential, refresh: { ...refresh, grantNoticedMs: due } })
  events.announce(workspace, "expiring", credential, {
    expires_at: iso(credential.expiresAt),
    grant_expires_at: iso(grantExpiresAt),
    within_days: due / dayMs,
    version: credential.version
  })
  return true
}

export interface Noticed {
  readonly given: number
  /** Whose row was changed outside of the service: nothing is told by it, and nothing written into it. */
  readonly changed: ReadonlyArray<string>
}

/** Gives each notice that is due, once: the row remembers the threshold for its present end. */
export const notify = (
  credentialIds: ReadonlyArray<string>,
  thresholdsMs: ReadonlyArray<number>,
  events: Events,
  caller: Caller
): Command<Noticed> => ({
  name: "credential.notify",
  caller,
  load: { credentials: { ...noCredentials, ids: credentialIds } },
  decide: (workspace) => {
    let given = 0
    const changed: Array<string> = []
    for (const credentialId of credentialIds) {
      const credential = workspace.credentials.own(credentialId)
      if (credential === undefined) continue
      if (!workspace.holds.credential(credentialId)) {
        changed.push(credentialId)
        continue
      }
      if (noticeGrant(workspace, credential, thresholdsMs, events)) given++
      const own = workspace.credentials.own(credentialId)!
      if (own.state !== "active") continue
      const { expiresAt, noticedMs: givenMs } = own
      const due = Lifecycle.noticeDue({ expiresAt, now: workspace.now, thresholdsMs, givenMs })
      if (due === null) continue
      workspace.credentials.update({ ...own, noticedMs: due })
      // Its end is followed by a new one: nobody has to do anything.
      if (caresForItself(own.refresh)) continue
      events.announce(workspace, "expiring", own, {
        expires_at: iso(expiresAt),
        within_days: due / dayMs,
        version: own.version
      })
      given++
    }
    return Result.succeed({ given, changed })
  }
})

/** Credentials of a tenant that was removed: gone, with their secrets; announced unless they were revoked. */
export const purge = (credentialIds: ReadonlyArray<string>, events: Events, caller: Caller): Command<number> => ({
  name: "credential.purge",
  caller,
  load: { credentials: { ...noCredentials, ids: credentialIds } },
  onRemovedTenant: true,
  decide: (workspace) => {
    const found = credentialIds.flatMap((credentialId) => workspace.credentials.own(credentialId) ?? [])
    for (const credential of found) erase(workspace, credential, "removed", caller, events)
    return Result.succeed(found.length)
  }
})
