/**
 * The commands on client credentials, as decisions over a workspace. Contract section 3.3; states and
 * transitions are a token's.
 */
import { Result } from "effect"
import { type ClientCredential, type ClientName, isGood } from "../../domain/ClientCredential.ts"
import type { Refusal } from "../../domain/errors.ts"
import * as errors from "../../domain/errors.ts"
import { decide, isUsable } from "../../domain/TokenLifecycle.ts"
import { noClients } from "../../store/ClientStore.ts"
import type { Command } from "../tenant/Command.ts"
import { clientChanged } from "../tenant/RowTagging.ts"
import type { Caller, Transition } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import type { ClientRecord, CreatedClient } from "./Clients.ts"
import type { ClientEvents } from "./Events.ts"

type Events = ClientEvents["Service"]
type Diff = Readonly<Record<string, unknown>>

export const toRecord = (credential: ClientCredential): ClientRecord => {
  const { mac: _0, passwordHash: _1, reason: _2, tenantId: _3, ...record } = credential
  return record
}

const record = (workspace: Workspace, action: string, credentialId: string, caller: Caller, diff: Diff): void =>
  workspace.record(caller, {
    action: `client-credential.${action}`,
    entityType: "client-credential",
    entityId: credentialId,
    diff
  })

/** "Not found" may say that it is gone, so it is answered only when what went before is in force. */
const find = (workspace: Workspace, credentialId: string): Result.Result<ClientCredential, Refusal> => {
  const found = workspace.clients.find(credentialId)
  if (found !== undefined) return Result.succeed(found)
  workspace.alreadyGone()
  return Result.fail(errors.ClientCredentialNotFound.ofId(credentialId))
}

/** As it was when it was read, where the caller says how that was. */
const findAt = (
  workspace: Workspace,
  credentialId: string,
  expectedVersion: number | null
): Result.Result<ClientCredential, Refusal> =>
  Result.flatMap(find(workspace, credentialId), (found) =>
    expectedVersion === null || expectedVersion === found.version
      ? Result.succeed(found)
      : Result.fail(new errors.VersionConflict({ expectedVersion, actualVersion: found.version }))
  )

// ---- create ----------------------------------------------------------------------

export interface ClientPlan {
  readonly credentialId: string
  readonly name: ClientName
  readonly clientId: string | null
  readonly description: string | null
  readonly passwordHash: string | null
  /** Made here, so that its answer may tell it. */
  readonly generated: string | null
}

export const create = (plan: ClientPlan, max: number, caller: Caller): Command<CreatedClient> => ({
  name: "client-credential.create",
  caller,
  load: { clients: { ...noClients, names: [plan.name] } },
  rejected: () => new errors.ClientCredentialExists({ kind: plan.name.kind }),
  decide: (workspace) => {
    const { generated, ...given } = plan
    if (workspace.clients.isTaken(plan.name)) {
      return Result.fail(new errors.ClientCredentialExists({ kind: plan.name.kind }))
    }
    if (workspace.clientStock >= max) {
      return Result.fail(new errors.LimitReached({ limit: "clientCredentials", max }))
    }
    const credential: ClientCredential = {
      ...given,
      tenantId: workspace.tenantId,
      status: "Inactive",
      version: 1,
      reason: null,
      createdAt: workspace.now,
      updatedAt: workspace.now,
      createdBy: caller.principal,
      updatedBy: caller.principal
    }
    workspace.clients.insert(credential)
    record(workspace, "created", credential.credentialId, caller, { ...plan.name, clientId: plan.clientId })
    return Result.succeed({ record: toRecord(credential), password: generated })
  }
})

// ---- transitions -----------------------------------------------------------------

/** `isFinal` false: one that was never used may just have been; the refusal is not kept, since it is asked again. */
export const transition = (
  credentialId: string,
  { expectedVersion, reason, target }: Transition,
  events: Events,
  caller: Caller,
  isFinal: boolean
): Command<ClientRecord> => ({
  name: "client-credential.transition",
  caller,
  load: { clients: { ...noClients, ids: [credentialId] } },
  decide: (workspace) =>
    Result.flatMap(findAt(workspace, credentialId, expectedVersion), (before): Result.Result<ClientRecord, Refusal> => {
      const from = before.status
      const decision = decide(from, target)
      switch (decision._tag) {
        case "Forbidden":
          if (from === "Inactive" && !isFinal) workspace.provisional()
          if (!isUsable(from)) workspace.alreadyGone()
          return Result.fail(new errors.TransitionNotAllowed({ from, to: target }))
        case "Unchanged":
          if (!isUsable(target)) workspace.alreadyGone()
          return Result.succeed(toRecord(before))
        case "Changed": {
          // To take a right away is good of any row; to give one is not.
          if (isUsable(decision.to) && !workspace.holds.client(credentialId)) {
            return Result.fail(clientChanged(credentialId))
          }
          const after: ClientCredential = {
            ...before,
            status: decision.to,
            version: before.version + 1,
            reason: isUsable(decision.to) ? null : reason,
            updatedAt: workspace.now,
            updatedBy: caller.principal
          }
          workspace.clients.update(after)
          if (!isUsable(decision.to)) takeAway(workspace, after)
          if (decision.takesRightAway) events.revoked(workspace, after, caller)
          record(workspace, actionOf[decision.to], credentialId, caller, {
            status: [from, decision.to],
            ...(reason === null ? {} : { reason })
          })
          return Result.succeed(toRecord(after))
        }
      }
    })
})

const actionOf = { Inactive: "created", Active: "activated", Suspended: "suspended", Revoked: "revoked" } as const

const takeAway = (workspace: Workspace, { credentialId, version }: ClientCredential): void =>
  workspace.takeAway({ kind: "client", credentialId, version })

/** Moves used ones from Inactive to Active; what is not Inactive any more is left alone. Answers how many moved. */
export const activateOnFirstUse = (credentialIds: ReadonlyArray<string>, caller: Caller): Command<number> => ({
  name: "client-credential.first-use",
  caller,
  load: { clients: { ...noClients, ids: credentialIds } },
  decide: (workspace) => {
    let moved = 0
    for (const credentialId of credentialIds) {
      const before = workspace.clients.find(credentialId)
      if (before?.status !== "Inactive") continue
      moved++
      workspace.clients.update({
        ...before,
        status: "Active",
        version: before.version + 1,
        updatedAt: workspace.now,
        updatedBy: caller.principal
      })
      record(workspace, "activated", credentialId, caller, { status: ["Inactive", "Active"] })
    }
    return Result.succeed(moved)
  }
})

/** The same password under today's cost; nothing that a caller can see changes. */
export const raisePassword = (credentialId: string, from: string, to: string, caller: Caller): Command<boolean> => ({
  name: "client-credential.raise",
  caller,
  load: { clients: { ...noClients, ids: [credentialId] } },
  decide: (workspace) => {
    const before = workspace.clients.find(credentialId)
    if (before?.passwordHash !== from) return Result.succeed(false)
    workspace.clients.update({ ...before, passwordHash: to })
    record(workspace, "rehashed", credentialId, caller, {})
    return Result.succeed(true)
  }
})

// ---- delete ----------------------------------------------------------------------

/** Hard: the row goes and its name is free. Announced, whatever it was. */
const erase = (workspace: Workspace, before: ClientCredential, events: Events, caller: Caller, diff: Diff): void => {
  const gone = { ...before, version: before.version + 1 }
  workspace.clients.delete(before)
  takeAway(workspace, gone)
  events.revoked(workspace, gone, caller)
  record(workspace, "deleted", before.credentialId, caller, { status: [before.status, null], ...diff })
}

export const remove = (
  { credentialId, expectedVersion }: { readonly credentialId: string; readonly expectedVersion: number | null },
  events: Events,
  caller: Caller
): Command<{ readonly deleted: number }> => ({
  name: "client-credential.delete",
  caller,
  load: { clients: { ...noClients, ids: [credentialId] } },
  decide: (workspace) =>
    Result.map(findAt(workspace, credentialId, expectedVersion), (before) => {
      erase(workspace, before, events, caller, {})
      return { deleted: 1 }
    })
})

/** Of a tenant that was removed: the right itself went before. Answers how many there were. */
export const purge = (credentialIds: ReadonlyArray<string>, events: Events, caller: Caller): Command<number> => ({
  name: "client-credential.purge",
  caller,
  load: { clients: { ...noClients, ids: credentialIds } },
  onRemovedTenant: true,
  decide: (workspace) => {
    const found = credentialIds.flatMap((credentialId) => workspace.clients.find(credentialId) ?? [])
    for (const credential of found) {
      erase(workspace, credential, events, caller, { reason: "removed", wasGood: isGood(credential) })
    }
    return Result.succeed(found.length)
  }
})
