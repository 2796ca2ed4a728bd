/**
 * What rotating keys comes to, without doing it. Pure.
 *
 * A token's value is not known here, so its hash cannot be made anew under another key. Instead the
 * successor of a token hash key is its layers and a fresh one (`HashKeys.ts`): every stored hash can
 * follow, and the old key itself is needed by nobody any more. See decisions/key-rotation.md.
 */
import { randomBytes } from "node:crypto"
import type { AgedKey, RotationMark } from "../store/KeyRotationStore.ts"
import * as HashKeys from "./HashKeys.ts"

/** The material of the key that follows `material`, or null when it has as many layers as a key may have. */
export const successorOf = (material: Uint8Array): Uint8Array | null =>
  material.byteLength >= HashKeys.layersMax * HashKeys.layerLength
    ? null
    : new Uint8Array(Buffer.concat([material, randomBytes(HashKeys.layerLength)]))

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

export interface Progress {
  readonly state: "idle" | "running"
  /** Rows of the rotation under way, or of the last one. */
  readonly total: number
  readonly done: number
  /** Null: not known yet. */
  readonly etaSeconds: number | null
}

/** `remaining` rows are under keys that are being retired. */
export const progressOf = (mark: RotationMark | undefined, remaining: number): Progress => {
  // Rows may have been added since, or keys have grown old by themselves: then there is more than the mark says.
  const total = Math.max(mark?.total ?? 0, remaining)
  const done = total - remaining
  if (remaining === 0) return { state: "idle", total, done, etaSeconds: null }
  const etaSeconds = mark === undefined || done === 0 ? null : Math.ceil((remaining * mark.ageMs) / done / 1000)
  return { state: "running", total, done, etaSeconds }
}

/** How long to wait after a page so that no more than `rowsPerSecond` are moved. */
export const pauseMs = (moved: number, tookMs: number, rowsPerSecond: number): number =>
  Math.max(0, Math.ceil((moved * 1000) / rowsPerSecond - tookMs))
