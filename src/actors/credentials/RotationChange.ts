/** What becomes of a rotation when the credential's `rotation` is changed. */
import type { Credential } from "../../domain/Credential.ts"
import { isPending, newRotating, pendingVersion } from "../../domain/Rotating.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import { withRotating } from "./RotationSteps.ts"
import type { RotatorSetup } from "./Rotators.ts"

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** What another rotator had under way is not known to anybody any more; the audit says which secrets it left. */
export const forgetRotation = (workspace: Workspace, before: Credential): void => {
  const { credentialId, rotating } = before
  if (rotating === undefined) return
  const left = [...rotating.cleanups.map(({ version }) => version), pendingVersion(rotating.generation)]
  for (const version of workspace.credentials.versionsOf(credentialId)) {
    if (!left.includes(version.version)) continue
    if (isPending(version.version)) workspace.credentials.deleteVersion(credentialId, version.version)
    else workspace.credentials.putVersion({ ...version, sealed: null, keyId: null, state: "superseded" })
  }
}

export const rotatingAfter = (
  workspace: Workspace,
  before: Credential,
  rotation: Credential["rotation"],
  setup: RotatorSetup | null
): Partial<Credential> => {
  const known = before.rotating
  if (setup !== null && known?.rotator === setup.rotator && same(before.rotation?.params, rotation?.params)) {
    const { everyMs } = setup
    const from = known.lastRotatedAt ?? workspace.now
    const rotating = { ...known, everyMs, nextRotationAt: Math.max(workspace.now, from + everyMs) }
    const { refreshDueAt } = withRotating(before, rotating)
    return { rotation, rotating, refreshDueAt }
  }
  forgetRotation(workspace, before)
  if (setup === null) return { rotation: null, rotating: undefined, refreshDueAt: null }
  const rotating = newRotating(setup.rotator, setup.everyMs, workspace.now)
  // A term or a generation is never given twice.
  const next = { ...rotating, generation: known?.generation ?? 0, term: known?.term ?? 0, claim: known?.claim ?? null }
  return { rotation, rotating: next, refreshDueAt: withRotating(before, next).refreshDueAt }
}
