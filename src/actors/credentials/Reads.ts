/**
 * Reading a secret: the command that decides it and writes its row of the audit.
 *
 * It runs like a change, under the tenant's lock: the rows it decides over are those of the
 * database at that moment, and its audit row is committed with them before anything leaves. Many
 * reads share one transaction. A refusal is audited too; `Refusals` collapses repeated ones.
 */
import { Result } from "effect"
import { type Consumer, decideRead, type ReadDecision, resolve } from "../../domain/Access.ts"
import { type Credential, type CredentialVersion, ownerKey } from "../../domain/Credential.ts"
import type { Refusal } from "../../domain/errors.ts"
import * as errors from "../../domain/errors.ts"
import { isEntityId, unknownEntityId } from "../../domain/Names.ts"
import { type CredentialLoad, noCredentials, slotKey } from "../../store/CredentialStore.ts"
import type { AuditAct } from "../../store/TenantStore.ts"
import type { Noting } from "../audit/Refusals.ts"
import type { Command } from "../tenant/Command.ts"
import { credentialChanged, tenantChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import type { CredentialName } from "./Credentials.ts"

/** What may be opened and handed out once the command is committed. */
export interface Readable {
  readonly credential: Credential
  readonly version: CredentialVersion
  /** The database's clock. */
  readonly now: number
}

/** What has to be loaded to find the credential that a request means. */
export const loadOf = (name: CredentialName): CredentialLoad => {
  if ("credentialId" in name) return { ...noCredentials, ids: [name.credentialId] }
  const tenantSlot = slotKey(name.serviceName, "")
  const slots = new Set([slotKey(name.serviceName, ownerKey(name.owner)), tenantSlot])
  return { ...noCredentials, slots: Array.from(slots), globalSlots: [tenantSlot] }
}

/** The one that a request means, among those that were loaded. */
const find = (workspace: Workspace, name: CredentialName): Credential | undefined =>
  "credentialId" in name
    ? workspace.credentials.readable(name.credentialId)
    : resolve(workspace.credentials.candidates(name.serviceName, name.owner), workspace.now)

/** The row in the audit of `global` for a secret of its own that another tenant was handed. */
export const readOfGlobal = ({ credential, version }: Readable, asking: string, consumer: Consumer): AuditAct => ({
  action: "credential.read",
  entityType: "credential",
  entityId: credential.credentialId,
  diff: { version: version.version, by: consumer.by, tenant_id: asking }
})

/** What decides must be as the service wrote it: the credential, its tenant, and which services are off. */
const changedRow = (workspace: Workspace, { credentialId, tenantId }: Credential): Refusal | null => {
  if (!workspace.holds.credential(credentialId)) return credentialChanged(credentialId)
  const changed = [workspace.tenantId, tenantId].find((id) => !workspace.holds.tenant(id))
  return changed === undefined ? null : tenantChanged(changed)
}

const refusalOf = (decision: Exclude<ReadDecision, { readonly _tag: "Allowed" }>, credentialId: string): Refusal => {
  switch (decision._tag) {
    case "ConsumerNotAllowed":
      return new errors.ConsumerNotAllowed()
    case "ServiceInactive":
      return new errors.ServiceInactive({ serviceName: decision.serviceName })
    case "Revoked":
      return new errors.CredentialRevoked({ credentialId })
    case "Expired":
      return new errors.CredentialExpired({ credentialId })
  }
}

/** What was asked for, in the audit: never a text of the caller's that is no id. */
const knownOrNot = (credentialId: string): string => (isEntityId(credentialId) ? credentialId : unknownEntityId)

export const read = (
  name: CredentialName,
  consumer: Consumer,
  note: Noting["note"],
  caller: Caller
): Command<Result.Result<Readable, Refusal>> => {
  const entityId =
    "credentialId" in name ? knownOrNot(name.credentialId) : `${name.serviceName}/${ownerKey(name.owner)}`
  const audit = (action: string, id: string, diff: AuditAct["diff"]): AuditAct => ({
    action,
    entityType: "credential",
    entityId: id,
    diff
  })
  const refuse = (workspace: Workspace, id: string, error: Refusal) => {
    const act = audit("credential.refused", id, { reason: error._tag })
    const { correlationId, known, principal: actor } = caller
    if (note(workspace.tenantId, { actor, known, correlationId, ...act }, workspace.now)) workspace.record(caller, act)
    return Result.succeed(Result.fail(error))
  }
  return {
    name: "credential.get",
    caller: { ...caller, idempotency: null },
    load: { credentials: loadOf(name) },
    decide: (workspace) => {
      const credential = find(workspace, name)
      if (credential === undefined) {
        const credentialId = "credentialId" in name ? name.credentialId : null
        return refuse(workspace, entityId, new errors.CredentialNotFound({ credentialId }))
      }
      const { credentialId } = credential
      const changed = changedRow(workspace, credential)
      if (changed !== null) return refuse(workspace, credentialId, changed)
      const services = workspace.credentials.servicesFor(credential)
      const decision = decideRead({ credential, consumer, services, now: workspace.now })
      if (decision._tag !== "Allowed") return refuse(workspace, credentialId, refusalOf(decision, credentialId))
      const version = workspace.credentials.currentVersion(credential)
      if (version === undefined) throw new Error("an active credential has no current version")
      workspace.record(caller, audit("credential.read", credentialId, { version: version.version, by: consumer.by }))
      return Result.succeed(Result.succeed({ credential, version, now: workspace.now }))
    }
  }
}
