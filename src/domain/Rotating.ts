/**
 * The words of a secret that a rotator changes: what is under way, what waits to be taken away, who is at it.
 * `RotationLife.ts` decides over them.
 *
 * All times are UNIX milliseconds of the database's clock.
 */
import type { RefreshReason } from "./Provider.ts"
import type { RefreshFailure, RefreshState } from "./Refresh.ts"

/** What a rotator is asked to do. `switch` is ours alone. */
export const rotatorSteps = ["prepare", "set", "test", "retire", "undo"] as const
export type RotatorStep = (typeof rotatorSteps)[number]

/** A secret that has to be taken away at the system: kept, sealed, until it was seen to be dead. */
export interface Cleanup {
  readonly step: "retire" | "undo"
  readonly generation: number
  /** Where the secret lies. */
  readonly version: number
  readonly since: number
  readonly dueAt: number
  readonly attempts: number
  readonly reason: RefreshReason | null
}

export interface UnderWay {
  readonly generation: number
  readonly step: "prepare" | "set" | "test"
  readonly overlapMs: number
}

export interface StepClaim {
  readonly term: number
  readonly holder: string
  /** The step is begun at the system before this moment or not at all. */
  readonly until: number
}

/** Of a credential whose `rotation` names a rotator. */
export interface Rotating {
  readonly rotator: string
  /** True: the tenant's own entry of that name, and no other's; a row that is gone must not mean another one. */
  readonly own?: boolean | undefined
  readonly everyMs: number
  /** Of the last rotation that was begun. Only ever grows. */
  readonly generation: number
  readonly underWay: UnderWay | null
  readonly term: number
  readonly claim: StepClaim | null
  /** Failures since the last success. */
  readonly attempts: number
  readonly nextAttemptAt: number | null
  readonly cleanups: ReadonlyArray<Cleanup>
  readonly lastRotatedAt: number | null
  readonly nextRotationAt: number
  readonly lastError: RefreshFailure | null
  /** When the tenant was told of the present series of failures. */
  readonly toldAt: number | null
}

/** The year 2020. Seconds since then fit beside `pendingVersionBase` for forty years. */
const generationsBegin = 1_577_836_800_000

/**
 * Behind every generation and term of a rotation of the same credential that was given up, and is not known any more: one
 * that counted faster than the clock is not given up before the clock is there. A webhook refuses a generation that is older than one it has seen.
 */
export const afterForgotten = (now: number): number => Math.max(0, Math.floor((now - generationsBegin) / 1_000))

/** Old secrets that could not be taken away, before no further rotation is begun. */
export const cleanupsMax = 8
export const newRotating = (rotator: string, everyMs: number, now: number): Rotating => ({
  rotator,
  everyMs,
  generation: 0,
  underWay: null,
  term: 0,
  claim: null,
  attempts: 0,
  nextAttemptAt: null,
  cleanups: [],
  lastRotatedAt: null,
  nextRotationAt: now + everyMs,
  lastError: null,
  toldAt: null
})

/**
 * Where the new secret of a generation lies until it is handed out: beyond all that `Credential.ts` keeps places for,
 * and with room in 32 bits for more generations than a credential can have (`afterForgotten`).
 */
export const pendingVersionBase = 3_000_000_000
export const pendingVersion = (generation: number): number => pendingVersionBase + generation
export const isPending = (version: number): boolean => version > pendingVersionBase

/** What is rotated is picked beside the refreshes under this name; nobody's turns are counted for it. */
export const rotatorQueue = Buffer.from("rotators".padEnd(16, "."), "utf8").toString("hex")

/** Never: a time that no clock shows. */
export const never = Number.MAX_SAFE_INTEGER
export const nextCleanup = ({ cleanups }: Rotating): number => Math.min(never, ...cleanups.map(({ dueAt }) => dueAt))

/** When somebody has to look at it again. */
export const nextLook = (state: Rotating): number => {
  if (state.claim !== null) return state.claim.until
  const cleanups = state.cleanups.map(({ dueAt }) => dueAt)
  const own = state.underWay === null ? Math.max(state.nextRotationAt, state.nextAttemptAt ?? 0) : state.nextAttemptAt
  return Math.min(...cleanups, own ?? 0)
}

/**
 * Whether it may be forgotten: nobody is at the system for it, and nothing of it may be set there that was not even
 * tried to be taken away. What was tried in vain, and old secrets, are then its owner's to take away.
 */
export const mayForget = ({ claim, cleanups, underWay }: Rotating, now: number): boolean =>
  (claim === null || now >= claim.until) &&
  (underWay === null || underWay.step === "prepare") &&
  cleanups.every(({ attempts, step }) => step === "retire" || attempts > 0)

export const shownRotatingState = (state: Rotating, now: number, isPaused: boolean): RefreshState => {
  if (isPaused) return "paused"
  if (state.attempts > 0) return "failing"
  if (state.underWay !== null) return "refreshing"
  return now >= state.nextRotationAt ? "due" : "fresh"
}
