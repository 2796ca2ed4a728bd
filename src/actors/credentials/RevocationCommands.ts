/**
 * What came of asking a provider to revoke what was revoked here: a decision over a workspace. Contract 10.2.
 *
 * The secret lies sealed, handed out to nobody, until the provider has confirmed, or for a week at most.
 */
import { Result } from "effect"
import { answerVersionBase } from "../../domain/Credential.ts"
import type { Refusal } from "../../domain/errors.ts"
import type { RefreshReason } from "../../domain/Provider.ts"
import { type AtProvider, backOffMs, revokeForMs } from "../../domain/Refresh.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import { findOwn, record } from "./Change.ts"

export interface RevocationSettling {
  readonly credentialId: string
  readonly chance: number
  /** Null: the provider has confirmed. */
  readonly failure: {
    readonly reason: RefreshReason
    readonly detail: string
    readonly httpStatus: number | null
  } | null
}

/** Nothing of it is sealed any more: of versions that a history shows the secret goes, of others the row. */
const forget = (workspace: Workspace, credentialId: string): void => {
  for (const version of workspace.credentials.versionsOf(credentialId)) {
    if (version.version > answerVersionBase) workspace.credentials.deleteVersion(credentialId, version.version)
    else workspace.credentials.putVersion({ ...version, sealed: null, keyId: null })
  }
}

export const settleRevocation = (request: RevocationSettling, caller: Caller): Command<AtProvider> => ({
  name: "credential.settle-revocation",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace): Result.Result<AtProvider, Refusal> => {
    const found = findOwn(workspace, request.credentialId, null)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const credential = found.success
    const { credentialId, refresh } = credential
    if (refresh === undefined || refresh.atProvider !== "pending") {
      return Result.succeed(refresh?.atProvider ?? "given_up")
    }
    const { chance, failure } = request
    if (failure === null) {
      forget(workspace, credentialId)
      workspace.credentials.update({
        ...credential,
        refresh: { ...refresh, atProvider: "revoked" },
        refreshDueAt: null
      })
      record(workspace, "credential.revoked-at-provider", credentialId, caller, null)
      return Result.succeed("revoked")
    }
    const { attempts } = refresh.grant
    const isOver = workspace.now >= credential.updatedAt + revokeForMs
    if (attempts === 0 || isOver) {
      record(workspace, "credential.revoke-at-provider-failed", credentialId, caller, {
        reason: failure.reason,
        ...(failure.httpStatus === null ? {} : { http_status: failure.httpStatus }),
        ...(failure.detail === "" ? {} : { detail: failure.detail }),
        gives_up: isOver
      })
    }
    const grant = { ...refresh.grant, attempts: attempts + 1 }
    if (isOver) {
      forget(workspace, credentialId)
      workspace.credentials.update({
        ...credential,
        refresh: { ...refresh, grant, atProvider: "given_up" },
        refreshDueAt: null
      })
      return Result.succeed("given_up")
    }
    workspace.credentials.update({
      ...credential,
      refresh: { ...refresh, grant },
      refreshDueAt: workspace.now + backOffMs(attempts, chance)
    })
    return Result.succeed("pending")
  }
})
