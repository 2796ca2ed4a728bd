/**
 * What rotating keys comes to, without doing it. Pure.
 *
 * A token's value is not known here, so its hash cannot be made anew under another key. Instead the
 * successor of a token hash key is its layers and a fresh one (`HashKeys.ts`): every stored hash can
 * follow, and the old key itself is needed by nobody any more. See decisions/key-rotation.md.
 */
import type { AgedKey, RotationMark } from "../store/KeyRotationStore.ts"
import type { KeyPurpose, StoredKey } from "../store/KeyStore.ts"
import { freshBytes } from "./FreshRandom.ts"
import * as HashKeys from "./HashKeys.ts"

/** The material of the key that follows `material`, or null when it has as many layers as a key may have. */
export const successorOf = (material: Uint8Array): Uint8Array | null => {
  if (material.byteLength >= HashKeys.layersMax * HashKeys.layerLength) return null
  // Memory of its own, never of the pool that other buffers are cut from.
  const next = new Uint8Array(material.byteLength + HashKeys.layerLength)
  next.set(material)
  const fresh = freshBytes(HashKeys.layerLength)
  next.set(fresh, material.byteLength)
  fresh.fill(0)
  return next
}

/** What must be added to hashes under `from` to have them under `to`; null when `to` does not continue `from`. */
export const layersBetween = (from: Uint8Array, to: Uint8Array): Uint8Array | null =>
  to.byteLength > from.byteLength && Buffer.compare(to.subarray(0, from.byteLength), from) === 0
    ? to.subarray(from.byteLength)
    : null

/**
 * Whether rows may be written with, and moved to, the active key: every replica that answers reads with
 * it by then. `retiring` counts too: only where there is one, somebody may still be without the new one.
 */
export const isSettled = (active: Pick<AgedKey, "ageMs">, activationMs: number): boolean => active.ageMs >= activationMs

/** After this many activation times nobody writes with the key that the active one replaced. */
export const graceFactor = 2
/** A key of the whole service may go only when the one that replaced it has been active that long. */
export const isAbandoned = (active: Pick<AgedKey, "ageMs">, activationMs: number): boolean =>
  active.ageMs >= activationMs * graceFactor

/** What rotates as a whole; tenants' keys follow one by one. */
const rotating: ReadonlyArray<KeyPurpose> = ["token-hash", "seal"]
/** What an operator may name: one of those, or the data keys of the tenants. */
export const rotatable = ["token-hash", "seal", "tenant-data"] as const
export type Rotatable = (typeof rotatable)[number]

/** What takes the place of a key, or null: it cannot be followed. */
export interface Successor {
  readonly from: string
  readonly to: StoredKey | null
}

/** What an operator asks to be rotated: one purpose or (null) all of them, and whether a young key is followed too. */
export interface Wanted {
  readonly purpose: Rotatable | null
  readonly force: boolean
}

/** Of the service's active keys, those that may be followed now, and those that are too young for it. */
export const followable = (
  ofService: ReadonlyArray<AgedKey>,
  times: { readonly activationMs: number; readonly ageMinMs: number },
  { force, purpose: wanted }: Wanted
): { readonly due: ReadonlyArray<AgedKey>; readonly young: ReadonlyArray<AgedKey> } => {
  const settled = rotating
    .filter((purpose) => wanted === null || wanted === purpose)
    .flatMap((purpose) => {
      const active = ofService.find((key) => key.purpose === purpose && key.state === "active")
      if (active === undefined) return []
      // The first of its purpose, made with the database, has followed no other.
      const others = ofService.filter((key) => key.purpose === purpose && key !== active)
      const waits = others.some(({ state }) => state !== "retired") && !isSettled(active, times.activationMs)
      return waits ? [] : [{ active, isYoung: others.length > 0 && active.ageMs < times.ageMinMs }]
    })
  return {
    due: settled.filter(({ isYoung }) => force || !isYoung).map(({ active }) => active),
    young: settled.filter(({ isYoung }) => !force && isYoung).map(({ active }) => active)
  }
}

/** Whether a replica that still answers may write with a key that was replaced. */
export const mayBeWritten = (key: AgedKey, ofService: ReadonlyArray<AgedKey>, activationMs: number): boolean => {
  // A tenant's old key opens as long as its material is there, retired or not: nothing to wait for.
  if (key.tenantId !== null || key.state !== "retiring") return false
  const active = ofService.find(({ purpose, state }) => purpose === key.purpose && state === "active")
  return active !== undefined && !isAbandoned(active, activationMs)
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
