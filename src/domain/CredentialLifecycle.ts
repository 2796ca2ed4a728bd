/**
 * The life of a third-party credential, as pure functions.
 *
 *   store ──> active ──rotate──> active          revoked goes nowhere: its secret is wiped
 *               │ └──revoke──────> revoked        expired may be rotated (and is active again)
 *               └──end comes─────> expired ──revoke──> revoked
 *
 * Each function says what a request means for rows that were loaded, and nothing else: no clock, no
 * I/O, no key. What is written follows from the answer alone.
 */
import { Data } from "effect"
import {
  answerVersionBase,
  type Credential,
  type CredentialState,
  type CredentialVersion,
  shownState,
  type VersionState
} from "./Credential.ts"

// ---- store -------------------------------------------------------------------

export type StoreDecision = Data.TaggedEnum<{
  Insert: {}
  /** The one in the way has ended and only the sweep was not there yet: expire it in the same change. */
  ExpireThenInsert: { readonly ended: Credential }
  Exists: { readonly credentialId: string }
}>
export const StoreDecision = Data.taggedEnum<StoreDecision>()

/** `active`: the stored-as-active credential of the same tenant, service and owner, if any. */
export const decideStore = (active: Credential | undefined, now: number): StoreDecision => {
  if (active === undefined || active.state !== "active") return StoreDecision.Insert()
  return shownState(active, now) === "expired"
    ? StoreDecision.ExpireThenInsert({ ended: active })
    : StoreDecision.Exists({ credentialId: active.credentialId })
}

// ---- rotate, update ----------------------------------------------------------

export type RotateDecision = Data.TaggedEnum<{
  Rotate: {}
  /** It has expired and another one took its place. */
  Exists: { readonly credentialId: string }
  Revoked: {}
}>
export const RotateDecision = Data.taggedEnum<RotateDecision>()

/** A new secret for a credential. `active` as for `decideStore`; it may be the credential itself. */
export const decideRotate = (credential: Credential, active: Credential | undefined, now: number): RotateDecision => {
  if (credential.state === "revoked") return RotateDecision.Revoked()
  if (credential.state === "active" || active === undefined || active.credentialId === credential.credentialId) {
    return RotateDecision.Rotate()
  }
  const other = decideStore(active, now)
  return other._tag === "Exists" ? RotateDecision.Exists({ credentialId: other.credentialId }) : RotateDecision.Rotate()
}

// ---- revoke, expire ----------------------------------------------------------

export type EndDecision = "unchanged" | "changed"

/** Revoking what is revoked changes nothing; revoking what has expired wipes its secret. */
export const decideRevoke = (credential: Pick<Credential, "state">): EndDecision =>
  credential.state === "revoked" ? "unchanged" : "changed"

/** Whether the sweep has anything to do: only a credential stored as active, and only once its end has come. */
export const decideExpire = (credential: Pick<Credential, "state" | "expiresAt">, now: number): EndDecision =>
  credential.state === "active" && shownState(credential, now) === "expired" ? "changed" : "unchanged"

// ---- versions ----------------------------------------------------------------

const wiped = { sealed: null, keyId: null } as const

/** The versions that change when a new secret takes over at `now`, in their new form. */
export const versionsAfterRotation = (
  versions: ReadonlyArray<CredentialVersion>,
  now: number,
  overlapMs: number
): ReadonlyArray<CredentialVersion> =>
  versions.flatMap((version): ReadonlyArray<CredentialVersion> => {
    if (version.state === "current" && overlapMs > 0) {
      return [{ ...version, state: "overlapping", validUntil: now + overlapMs, reason: "rotated" }]
    }
    if (version.state === "current" || version.state === "expired") {
      return [{ ...version, ...wiped, state: "superseded", validUntil: now, reason: "rotated" }]
    }
    return overlapIsOver(version, now) ? [{ ...version, ...wiped, state: "superseded" }] : []
  })

/** The versions that change when `held` are those whose grants are kept beside the new one: the others are wiped. */
export const versionsBesideHeld = (
  versions: ReadonlyArray<CredentialVersion>,
  held: ReadonlySet<number>,
  current: number,
  now: number
): ReadonlyArray<CredentialVersion> =>
  versions.flatMap((version): ReadonlyArray<CredentialVersion> => {
    if (version.version === current || version.version > answerVersionBase) return []
    if (!held.has(version.version)) {
      return [{ ...version, ...wiped, state: "superseded", validUntil: now, reason: version.reason ?? "rotated" }]
    }
    return version.state === "spare" ? [] : [{ ...version, state: "spare", validUntil: now, reason: "rotated" }]
  })

const afterEnd = (
  version: CredentialVersion,
  to: Exclude<CredentialState, "active">,
  reason: string
): CredentialVersion | undefined => {
  switch (version.state) {
    case "current":
      return to === "revoked" ? { ...version, ...wiped, state: to, reason } : { ...version, state: to, reason }
    case "expired":
      return to === "revoked" ? { ...version, ...wiped, state: to, reason } : undefined
    case "overlapping":
      return { ...version, ...wiped, state: to === "revoked" ? "revoked" : "superseded" }
    case "spare":
    case "answer":
    case "pending":
      return to === "revoked" ? { ...version, ...wiped, state: "superseded" } : undefined
    case "revoked":
    case "superseded":
      return undefined
  }
}

/** The versions that change when the credential is revoked (all secrets go) or has expired (the newest stays). */
export const versionsAfterEnd = (
  versions: ReadonlyArray<CredentialVersion>,
  to: Exclude<CredentialState, "active">,
  reason: string
): ReadonlyArray<CredentialVersion> => versions.flatMap((version) => afterEnd(version, to, reason) ?? [])

/** Whether a version is only kept for an overlap that is over, so that the sweep may wipe it. */
export const overlapIsOver = (version: Pick<CredentialVersion, "state" | "validUntil">, now: number): boolean =>
  version.state === "overlapping" && version.validUntil !== null && now >= version.validUntil

/** What `history` shows: an end that has come counts, whether or not the sweep has been there. */
export const shownVersionState = (
  version: Pick<CredentialVersion, "state" | "validUntil" | "expiresAt">,
  now: number
): VersionState | "active" => {
  if (overlapIsOver(version, now) || version.state === "spare") return "superseded"
  if (version.state !== "current") return version.state
  return version.expiresAt !== null && now >= version.expiresAt ? "expired" : "active"
}

// ---- notices before the end --------------------------------------------------

/**
 * The notice that is due: of the thresholds that have been reached, the one nearest to the end,
 * unless it was given already for this very end. A credential that is stored three days before its
 * end gets the notice of seven days and later that of one, not those of thirty and fourteen.
 * Null: none.
 */
export const noticeDue = (options: {
  readonly expiresAt: number | null
  readonly now: number
  readonly thresholdsMs: ReadonlyArray<number>
  /** Threshold of the last notice given for this `expiresAt`, or null. */
  readonly givenMs: number | null
}): number | null => {
  const { expiresAt, givenMs, now, thresholdsMs } = options
  if (expiresAt === null || now >= expiresAt) return null
  const reached = thresholdsMs.filter((threshold) => now >= expiresAt - threshold)
  if (reached.length === 0) return null
  const nearest = Math.min(...reached)
  return givenMs !== null && givenMs <= nearest ? null : nearest
}
