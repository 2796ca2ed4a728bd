/**
 * What rotating keys comes to, without doing it. Pure.
 *
 * A token's value is not known here, so its hash cannot be made anew under another key. Instead the
 * successor of a token hash key has its layers and a cover of its own (`HashKeys.ts`): every stored hash can
 * follow, and the old key itself is needed by nobody any more. See decisions/key-rotation.md.
 */
import type { AgedKey, AgesMs, RotationMark } from "../store/KeyRotationStore.ts"
import type { KeyPurpose, StoredKey } from "../store/KeyStore.ts"
import { freshBytes } from "./FreshRandom.ts"
import { coverLength } from "./HashCover.ts"
import * as HashKeys from "./HashKeys.ts"

/** The material of the token hash key that follows `material`. */
export const successorOf = (material: Uint8Array): Uint8Array => {
  const cover = freshBytes(coverLength)
  const next = HashKeys.followed(material, cover)
  cover.fill(0)
  return next
}

/**
 * Whether rows may be written with, and moved to, the active key: every replica that answers reads with
 * it by then. `retiring` counts too: only where there is one, somebody may still be without the new one.
 */
export const isSettled = (active: Pick<AgedKey, "ageMs">, activationMs: number): boolean => active.ageMs >= activationMs

/** After this many activation times nobody writes with the key that the active one replaced. */
export const graceFactor = 2
/** A key of the whole service may go only when one that came after it has been in use that long. */
export const isAbandoned = (key: AgedKey, ofService: ReadonlyArray<AgedKey>, activationMs: number): boolean =>
  ofService.some(
    ({ ageMs, keyId, purpose, state }) =>
      purpose === key.purpose &&
      keyId !== key.keyId &&
      state !== "retired" &&
      ageMs < key.ageMs &&
      ageMs >= activationMs * graceFactor
  )

/**
 * Keys of a purpose that is looked up by, in use or to be left, at most: each of them is one more hash at every
 * look-up. With so many a rotation waits until the rows of one have been moved.
 */
export const lookedUpMax = 4
const lookedUp: ReadonlyArray<KeyPurpose> = ["token-hash", "fingerprint"]
/** So long after it was followed a key that no row needs retires by itself; of token hash keys at once where many are left. */
export const retiredAfterMs = 86_400_000
/** No row says which fingerprint key it was made with: one is compared with for a year and a month. */
export const comparedAfterMs = 400 * 86_400_000

/** How long ago another key took its place, in milliseconds. */
const followedSince = (key: AgedKey, ofService: ReadonlyArray<AgedKey>): number =>
  Math.max(
    0,
    ...ofService.filter(({ ageMs, purpose }) => purpose === key.purpose && ageMs < key.ageMs).map(({ ageMs }) => ageMs)
  )

/**
 * How old the answers are that were remembered under a fingerprint key, or may have been: from when it was made until nobody
 * wrote with it any more.
 */
export const rememberedAges = (key: AgedKey, ofService: ReadonlyArray<AgedKey>, activationMs: number): AgesMs => ({
  oldest: key.ageMs,
  youngest: Math.max(0, followedSince(key, ofService) - activationMs * graceFactor)
})

/** Of the service's retiring keys, those that may be tried to be retired now: no row may need them. */
export const leftBehind = (ofService: ReadonlyArray<AgedKey>, activationMs: number): ReadonlyArray<AgedKey> =>
  ofService.filter((key) => {
    if (key.state !== "retiring" || !isAbandoned(key, ofService, activationMs)) return false
    const own = ofService.filter(({ purpose, state }) => purpose === key.purpose && state !== "retired")
    if (key.purpose === "fingerprint") return followedSince(key, ofService) >= comparedAfterMs
    const isCrowded = key.purpose === "token-hash" && own.length >= lookedUpMax
    return isCrowded || followedSince(key, ofService) >= retiredAfterMs
  })

/** What rotates as a whole; tenants' keys follow one by one. */
const rotating: ReadonlyArray<KeyPurpose> = ["token-hash", "seal"]
/** What rotates only when it is named: others outside of the service hold the public half, or compare. */
const rotatingByName: ReadonlyArray<KeyPurpose> = ["audit-signing", "fingerprint"]
/** What an operator may name: one of those, or the data keys of the tenants. */
export const rotatable = ["token-hash", "seal", "tenant-data", "audit-signing", "fingerprint"] as const
export type Rotatable = (typeof rotatable)[number]

/** What takes the place of a key. */
export interface Successor {
  readonly from: string
  readonly to: StoredKey
}

/** What an operator asks to be rotated: one purpose or (null) all of them, and whether a young key is followed too. */
export interface Wanted {
  readonly purpose: Rotatable | null
  readonly force: boolean
}

/**
 * Of the service's active keys, those that may be followed now, those that are too young for it, and those that
 * followed so many others lately that rows are still under those.
 */
export const followable = (
  ofService: ReadonlyArray<AgedKey>,
  times: { readonly activationMs: number; readonly ageMinMs: number },
  { force, purpose: wanted }: Wanted
): {
  readonly due: ReadonlyArray<AgedKey>
  readonly young: ReadonlyArray<AgedKey>
  readonly crowded: ReadonlyArray<AgedKey>
} => {
  const settled = [...rotating, ...rotatingByName]
    .filter((purpose) => (wanted === null ? rotating.includes(purpose) : wanted === purpose))
    .flatMap((purpose) => {
      const active = ofService.find((key) => key.purpose === purpose && key.state === "active")
      if (active === undefined) return []
      // The first of its purpose, made with the database, has followed no other.
      const others = ofService.filter((key) => key.purpose === purpose && key !== active)
      const waits = others.some(({ state }) => state !== "retired") && !isSettled(active, times.activationMs)
      if (waits) return []
      const alive = others.filter(({ state }) => state !== "retired").length + 1
      const isCrowded = lookedUp.includes(purpose) && alive >= lookedUpMax
      const isYoung = !force && others.length > 0 && active.ageMs < times.ageMinMs
      return [{ active, isYoung, isCrowded }]
    })
  return {
    due: settled.filter(({ isCrowded, isYoung }) => !isYoung && !isCrowded).map(({ active }) => active),
    young: settled.filter(({ isYoung }) => isYoung).map(({ active }) => active),
    crowded: settled.filter(({ isCrowded, isYoung }) => isCrowded && !isYoung).map(({ active }) => active)
  }
}

/**
 * Why a key that was replaced cannot go yet, whatever rows say: `written`, a replica that still answers may write with it;
 * `compared` (`comparedMs`, of a fingerprint key), it must find by it what was remembered. Null: it can.
 */
export const stillUsed = (
  key: AgedKey,
  ofService: ReadonlyArray<AgedKey>,
  { activationMs, comparedMs }: { readonly activationMs: number; readonly comparedMs: number }
): "written" | "compared" | null => {
  // A tenant's old key opens as long as its material is there, retired or not: nothing to wait for.
  if (key.tenantId !== null || key.state !== "retiring") return null
  if (key.purpose === "fingerprint" && followedSince(key, ofService) < comparedMs) return "compared"
  return isAbandoned(key, ofService, activationMs) ? null : "written"
}

export interface Progress {
  readonly state: "idle" | "running"
  /** Rows of the rotation under way, or of the last one. */
  readonly total: number
  readonly done: number
  /** Null: not known yet. */
  readonly etaSeconds: number | null
}

/** Rows are counted up to this number for an answer; the mover counts the rest, in pieces. */
export const countedMax = 10_000

/**
 * `left` rows, counted up to `countedMax`, are under keys that are being retired. Below that it is the
 * truth, above it what the run's own numbers say, and until the mover has counted, "at least".
 */
export const progressOf = (mark: RotationMark | undefined, left: number, rowsPerSecond: number): Progress => {
  const total = Math.max(mark?.total ?? 0, mark?.moved ?? 0)
  if (left === 0) return { state: "idle", total, done: total, etaSeconds: null }
  // What is left after the end of a run belongs to one that the mover has not begun yet.
  if (mark === undefined || mark.isOver) return { state: "running", total: left, done: 0, etaSeconds: null }
  const remaining = left < countedMax ? left : Math.max(left, total - mark.moved)
  // Rows may have been added since it was counted; those that were deleted are done.
  const all = Math.max(total, mark.moved + remaining)
  const done = all - remaining
  if (mark.moved === 0 || mark.movingMs === null) return { state: "running", total: all, done, etaSeconds: null }
  // At the pace so far, which for the first page says too much, and never faster than is allowed.
  const etaMs = Math.max((remaining * mark.movingMs) / mark.moved, (remaining * 1000) / rowsPerSecond)
  return { state: "running", total: all, done, etaSeconds: Math.ceil(etaMs / 1000) }
}

/** How long to wait after a page so that no more than `rowsPerSecond` are moved. */
export const pauseMs = (moved: number, tookMs: number, rowsPerSecond: number): number =>
  Math.max(0, Math.ceil((moved * 1000) / rowsPerSecond - tookMs))
