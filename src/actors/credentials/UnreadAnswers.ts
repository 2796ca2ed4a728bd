/**
 * A provider's answer that is stored and cannot be opened: its row was changed, or put there, by somebody who writes to the
 * database. What it brought may be the only live grant, so that nothing is asked of the provider until the row is as it
 * was, or is taken away, or a person has connected anew; the refresh is in doubt meanwhile, and that is told. Where an
 * exchange spends nothing it is told as well, and put aside: the grant that is held is as good as before.
 */
import { Result } from "effect"
import { answerVersionBase, type Credential, isAnswer } from "../../domain/Credential.ts"
import type { Refusal } from "../../domain/errors.ts"
import * as Life from "../../domain/GrantLife.ts"
import type { Provider } from "../../domain/Provider.ts"
import { rulesOf } from "../../domain/Refresh.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import { credentialChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import type { Events } from "./Change.ts"
import { tell, withRefresh } from "./RefreshCommands.ts"

/** By itself nobody looks sooner whether the row was put right. */
const lookAgainMs = 300_000

/** `none`: they are there no more. */
export type Noted = "none" | "in doubt" | "put aside"

export const noteUnread = (
  {
    credentialId,
    provider,
    versions
  }: { readonly credentialId: string; readonly provider: Provider; readonly versions: ReadonlyArray<number> },
  events: Events,
  caller: Caller
): Command<Noted> => ({
  name: "credential.answer-unread",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [credentialId] } },
  decide: (workspace): Result.Result<Noted, Refusal> => {
    const credential = workspace.credentials.own(credentialId)
    if (credential?.refresh === undefined || credential.state === "revoked") return Result.succeed("none")
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    const unread = workspace.credentials
      .versionsOf(credentialId)
      .filter((one) => isAnswer(one) && versions.includes(one.version))
      .map(({ version }) => version)
    if (unread.length === 0) return Result.succeed("none")
    const { putsAside, state } = Life.decideUnread({
      state: credential.refresh.grant,
      rules: rulesOf(provider),
      terms: unread.map((version) => version - answerVersionBase),
      now: workspace.now
    })
    const known = { ...credential, refresh: { ...credential.refresh, grant: state, unread } }
    if (putsAside) putUnreadAside(workspace, known)
    const left = putsAside ? { ...known.refresh, unread: undefined } : known.refresh
    const next = withRefresh(credential, tell(workspace, credential, left, true, events))
    workspace.credentials.update(putsAside ? next : { ...next, refreshDueAt: workspace.now + lookAgainMs })
    return Result.succeed(putsAside ? "put aside" : "in doubt")
  }
})

/** A person has stored a secret, or nothing was spent: what could not be opened stands in the way no more, and lies there, sealed. */
export const putUnreadAside = (workspace: Workspace, { credentialId, refresh }: Credential): void => {
  for (const version of workspace.credentials.versionsOf(credentialId)) {
    if (!isAnswer(version) || refresh?.unread?.includes(version.version) !== true) continue
    // Of a term that was never given there is nothing in it, and its place is wanted when that is.
    if (version.version > answerVersionBase + refresh.grant.term) {
      workspace.credentials.deleteVersion(credentialId, version.version)
    } else workspace.credentials.putVersion({ ...version, state: "spare", reason: "superseded" })
  }
}
