/** What becomes of a rotation when the credential's `rotation` is changed. */
import type { Credential } from "../../domain/Credential.ts"
import * as errors from "../../domain/errors.ts"
import {
  afterForgotten,
  isPending,
  mayForget,
  newRotating,
  pendingVersion,
  type Rotating
} from "../../domain/Rotating.ts"
import type { CredentialLoad } from "../../store/CredentialStore.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import type { RefreshSetup } from "./RefreshCommands.ts"
import { withRotating } from "./RotationSteps.ts"
import type { RotatorSetup } from "./Rotators.ts"

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

type Setup = RefreshSetup | RotatorSetup | null

const ownOf = ({ own }: RotatorSetup): { readonly own?: true } => (own === true ? { own } : {})

/** Of a credential that a rotator changes from now on. */
export const beginning = (setup: RotatorSetup, now: number): Rotating => ({
  ...newRotating(setup.rotator, setup.everyMs, now),
  ...ownOf(setup)
})

/** The same rotator goes on, with the same parameters. */
const goesOn = (before: Credential, rotation: Credential["rotation"], setup: Setup): setup is RotatorSetup =>
  setup !== null &&
  "rotator" in setup &&
  before.rotating?.rotator === setup.rotator &&
  same(before.rotation?.params, rotation?.params)

/**
 * An entry of the tenant's own that a credential was stored for is not deleted while it is named: where the name means
 * another entry now, the row was taken away by others, and who only means the same again gives that one nothing.
 */
export const ownEntryGone = ({ refresh, rotating }: Credential, setup: Setup): errors.RowChanged | undefined => {
  if (setup === null || setup.own === true) return undefined
  if ("rotator" in setup) {
    const { rotator } = setup
    return rotating?.own === true && rotating.rotator === rotator
      ? new errors.RowChanged({ kind: "rotator", id: rotator })
      : undefined
  }
  const { name } = setup.provider
  return refresh?.own === true && refresh.provider === name
    ? new errors.RowChanged({ kind: "provider", id: name })
    : undefined
}

/** The tenant's own entry that is meant: until a credential names it, it may be deleted, so it is looked for once more. */
export const ownEntryOf = (setup: Setup): Pick<CredentialLoad, "providers" | "rotators"> => {
  if (setup?.own !== true) return {}
  return "rotator" in setup ? { rotators: [setup.rotator] } : { providers: [setup.provider.name] }
}

/** Deleted since it was found. For a command that loads `ownEntryOf` the same. */
export const ownEntryLacks = ({ credentials }: Workspace, setup: Setup): errors.InvalidRequest | undefined => {
  if (setup?.own !== true) return undefined
  const kind = "rotator" in setup ? "rotator" : "provider"
  const found = "rotator" in setup ? credentials.rotator(setup.rotator) : credentials.provider(setup.provider.name)
  return found === undefined
    ? new errors.InvalidRequest({ path: `rotation.${kind}`, reason: `is not a ${kind} that the tenant knows` })
    : undefined
}

/** Another rotation by a rotator goes on counting where this one is. */
const keepsCount = (setup: Setup): boolean => setup !== null && "rotator" in setup

/** The clock is where its counts are, or further, and what is taken up later begins behind that. */
const isOutrun = ({ generation, term }: Rotating, now: number): boolean =>
  Math.max(generation, term) <= afterForgotten(now)

/** Why what is under way may not be forgotten now. */
export const changeRefusal = (
  before: Credential,
  rotation: Credential["rotation"],
  setup: Setup,
  now: number
): errors.TransitionNotAllowed | undefined =>
  before.rotating === undefined ||
  goesOn(before, rotation, setup) ||
  (mayForget(before.rotating, now) && (keepsCount(setup) || isOutrun(before.rotating, now)))
    ? undefined
    : new errors.TransitionNotAllowed({ from: "rotation under way", to: "rotation changed" })

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
  if (known !== undefined && goesOn(before, rotation, setup)) {
    const { everyMs } = setup
    const from = known.lastRotatedAt ?? workspace.now
    const rotating = { ...known, ...ownOf(setup), everyMs, nextRotationAt: Math.max(workspace.now, from + everyMs) }
    const { refreshDueAt } = withRotating(before, rotating)
    return { rotation, rotating, refreshDueAt }
  }
  forgetRotation(workspace, before)
  if (setup === null) return { rotation: null, rotating: undefined, refreshDueAt: null }
  const rotating = beginning(setup, workspace.now)
  // A term or a generation is never given twice.
  const forgotten = afterForgotten(workspace.now)
  const { claim = null, generation = forgotten, term = forgotten } = known ?? {}
  const next = { ...rotating, generation, term, claim }
  return { rotation, rotating: next, refreshDueAt: withRotating(before, next).refreshDueAt }
}
