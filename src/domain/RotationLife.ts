/**
 * The life of a static secret that a rotator changes at a system outside, as pure functions. Contract 10.5.
 *
 *   idle ──begin──> prepare ──> set ──> test ──switch──> idle, and the old secret waits to be retired
 *                      └────────┴── for good ──> idle, and what was set waits to be undone
 *
 * What is being protected:
 * - whoever reads gets a secret that works at the system: a new one is handed out after it was used there, and
 *   an old one is taken away after its overlap, never while anything that is handed out has its user;
 * - every secret that works at the system is held here, sealed: a new one before it is set there, an old one
 *   until the system was seen to refuse it.
 *
 * So there is one step at a time, under a claim with a term; each is written down before the next begins, and
 * may be done again. Who was slow is refused here by its term, and at the system by the claim's end.
 *
 * All times are UNIX milliseconds of the database's clock.
 */
import { Data } from "effect"
import type { RefreshReason } from "./Provider.ts"
import {
  type Cleanup,
  cleanupsMax,
  nextCleanup,
  nextLook,
  pendingVersion,
  type Rotating,
  type StepClaim,
  type UnderWay
} from "./Rotating.ts"

export * from "./Rotating.ts"

const dayMs = 86_400_000
const failedForGoodAgainMs = 3_600_000

// ---- claim -------------------------------------------------------------------

export type Work =
  | { readonly kind: "step"; readonly step: UnderWay["step"]; readonly generation: number }
  | {
      readonly kind: "cleanup"
      readonly step: Cleanup["step"]
      readonly generation: number
      readonly version: number
    }

export type ClaimDecision = Data.TaggedEnum<{
  /** Written first; then the step is asked for. */
  Claim: { readonly state: Rotating; readonly claim: StepClaim; readonly work: Work }
  /** Somebody is at it. */
  Busy: { readonly until: number }
  /** Nothing to do before this moment. */
  Wait: { readonly until: number }
  /** No rotation may begin now. `overlap`: the secret before this one is still promised to its readers. */
  Refused: { readonly why: "overlap" | "retire_pending"; readonly until: number }
  /** The rotation that whoever asks has worked at was ended by somebody else; none is begun in its place. */
  Over: {}
}>
export const ClaimDecision = Data.taggedEnum<ClaimDecision>()

/** Still promised to those who read it before the switch. */
const isPromised = ({ attempts, dueAt, step }: Cleanup, now: number): boolean =>
  step === "retire" && attempts === 0 && now < dueAt

/** The cleanup that is due the longest. */
const dueCleanup = ({ cleanups }: Rotating, now: number): Cleanup | undefined =>
  cleanups.filter(({ dueAt }) => dueAt <= now).toSorted((a, b) => a.dueAt - b.dueAt)[0]

export interface Asked {
  /** How long the old secret is promised after the switch; null: as is usual. Zero ends a promise that is running. */
  readonly overlapMs: number | null
  /** The generation that whoever asks has worked at already; null: none yet. */
  readonly workedAt: number | null
}

/** What to do next, if anything. `asked`: somebody waits for a new secret, so that pauses do not count. */
export const decideStep = (options: {
  readonly state: Rotating
  readonly now: number
  readonly holder: string
  readonly claimMs: number
  readonly overlapMs: number
  readonly asked: Asked | null
  /** No new secret is wanted now; what is to be taken away is taken away all the same. */
  readonly isPaused: boolean
}): ClaimDecision => {
  const { asked, claimMs, holder, isPaused, now, overlapMs, state } = options
  if (asked !== null && asked.workedAt !== null && asked.workedAt !== state.underWay?.generation) {
    return ClaimDecision.Over()
  }
  if (state.claim !== null && now < state.claim.until) return ClaimDecision.Busy({ until: state.claim.until })
  const claimed = (known: Rotating, work: Work): ClaimDecision => {
    const claim: StepClaim = { term: state.term + 1, holder, until: now + claimMs }
    return ClaimDecision.Claim({ state: { ...known, term: claim.term, claim }, claim, work })
  }
  const { underWay } = state
  const mayTry = asked !== null || state.nextAttemptAt === null || now >= state.nextAttemptAt
  if (underWay !== null && mayTry && !isPaused) {
    return claimed(state, { kind: "step", step: underWay.step, generation: underWay.generation })
  }
  const cleanup = dueCleanup(state, now)
  const cleaning = (): ClaimDecision | undefined =>
    cleanup &&
    claimed(state, {
      kind: "cleanup",
      step: cleanup.step,
      generation: cleanup.generation,
      version: cleanup.version
    })
  if (isPaused) return cleaning() ?? ClaimDecision.Wait({ until: nextCleanup(state) })
  // What is to be taken away is taken away first, but for who waits for a new secret.
  if (underWay !== null) return cleaning() ?? ClaimDecision.Wait({ until: nextLook(state) })
  const isDue = mayTry && now >= state.nextRotationAt
  if (asked === null && (cleanup !== undefined || !isDue)) {
    return cleaning() ?? ClaimDecision.Wait({ until: nextLook(state) })
  }
  const promised = state.cleanups.filter((one) => isPromised(one, now))
  const promisedUntil = Math.max(...promised.map(({ dueAt }) => dueAt))
  if (promised.length > 0 && asked?.overlapMs !== 0) {
    return asked === null
      ? ClaimDecision.Wait({ until: promisedUntil })
      : ClaimDecision.Refused({ why: "overlap", until: promisedUntil })
  }
  if (state.cleanups.length >= cleanupsMax) {
    const until = Math.min(...state.cleanups.map(({ dueAt }) => Math.max(dueAt, now)))
    return cleaning() ?? ClaimDecision.Refused({ why: "retire_pending", until })
  }
  const generation = state.generation + 1
  const began: Rotating = {
    ...state,
    generation,
    underWay: { generation, step: "prepare", overlapMs: asked?.overlapMs ?? overlapMs },
    nextAttemptAt: null,
    // Nobody is promised it any more.
    cleanups: state.cleanups.map((one) => (isPromised(one, now) ? { ...one, dueAt: now } : one))
  }
  return claimed(began, { kind: "step", step: "prepare", generation })
}

/** Whether the holder may begin at the system: asked at the last moment, over what is stored then. */
export const mayBegin = (state: Rotating, claim: StepClaim, now: number): boolean =>
  state.claim?.term === claim.term && now < claim.until

/** The claim of this term, whose step did not begin and never will. Undefined: it is over, or another one's by now. */
export const giveBack = (state: Rotating, term: number): Rotating | undefined =>
  state.claim?.term === term ? { ...state, claim: null } : undefined

// ---- settle ------------------------------------------------------------------

export type StepOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly permanent: boolean; readonly reason: RefreshReason; readonly retryAt: number }

/** What else is written with the state. */
export type StepEffect =
  /** The new secret is kept, sealed, at `pendingVersion(generation)`: nothing was set yet. */
  | "keep_pending"
  /** It is handed out from now on. What was handed out before is kept, sealed, until it is retired. */
  | "switch"
  /** The system was seen to refuse it: its sealed form goes. */
  | "wipe"
  | "none"

export type SettleDecision = Data.TaggedEnum<{
  /** Somebody else has the claim, or what it was for is over: nothing is believed of it. */
  Fenced: {}
  Settled: { readonly state: Rotating; readonly effect: StepEffect; readonly failedForGood: boolean }
}>
export const SettleDecision = Data.taggedEnum<SettleDecision>()

export const isOf = (state: Rotating, work: Work): boolean =>
  work.kind === "step"
    ? state.underWay?.generation === work.generation && state.underWay.step === work.step
    : state.cleanups.some(({ version }) => version === work.version)

/** `currentVersion`: where the secret lies that is handed out now. */
export const decideSettle = (options: {
  readonly state: Rotating
  readonly term: number
  readonly work: Work
  readonly outcome: StepOutcome
  readonly currentVersion: number
  readonly now: number
}): SettleDecision => {
  const { currentVersion, now, outcome, state, term, work } = options
  if (state.claim?.term !== term) return SettleDecision.Fenced()
  const free: Rotating = { ...state, claim: null }
  if (!isOf(state, work)) return SettleDecision.Settled({ state: free, effect: "none", failedForGood: false })
  const settled = (known: Rotating, effect: StepEffect, failedForGood = false) =>
    SettleDecision.Settled({ state: known, effect, failedForGood })
  if (work.kind === "cleanup") {
    const others = free.cleanups.filter(({ version }) => version !== work.version)
    if (outcome.kind === "done") return settled({ ...free, cleanups: others }, "wipe")
    const before = free.cleanups.find(({ version }) => version === work.version)!
    const dueAt = outcome.permanent ? Math.max(outcome.retryAt, now + failedForGoodAgainMs) : outcome.retryAt
    const cleanup: Cleanup = { ...before, attempts: before.attempts + 1, dueAt, reason: outcome.reason }
    return settled({ ...free, cleanups: [...others, cleanup] }, "none")
  }
  const underWay = state.underWay!
  const onward = (step: UnderWay["step"]): Rotating => ({
    ...free,
    underWay: { ...underWay, step },
    attempts: 0,
    nextAttemptAt: null
  })
  if (outcome.kind === "failed") {
    const failed: Rotating = {
      ...free,
      attempts: state.attempts + 1,
      nextAttemptAt: outcome.retryAt,
      lastError: { reason: outcome.reason, at: now, httpStatus: null }
    }
    return outcome.permanent ? settled(abandoned(failed, now), "none", true) : settled(failed, "none")
  }
  switch (work.step) {
    case "prepare":
      return settled(onward("set"), "keep_pending")
    case "set":
      return settled(onward("test"), "none")
    case "test": {
      const { generation, overlapMs } = underWay
      const retire: Cleanup = {
        step: "retire",
        generation: generation - 1,
        version: currentVersion,
        since: now,
        dueAt: now + overlapMs,
        attempts: 0,
        reason: null
      }
      const switched: Rotating = {
        ...free,
        underWay: null,
        attempts: 0,
        nextAttemptAt: null,
        cleanups: [...free.cleanups, retire],
        lastRotatedAt: now,
        nextRotationAt: now + state.everyMs,
        lastError: null,
        toldAt: null
      }
      return settled(switched, "switch")
    }
  }
}

/** The rotation is over without a switch. What may have been set is to be undone. */
export const abandoned = (state: Rotating, now: number): Rotating => {
  const { underWay } = state
  if (underWay === null) return state
  const { generation, step } = underWay
  const undo: Cleanup = {
    step: "undo",
    generation,
    version: pendingVersion(generation),
    since: now,
    dueAt: now,
    attempts: 0,
    reason: null
  }
  return {
    ...state,
    underWay: null,
    nextAttemptAt: null,
    // At the system nothing was touched before `set`.
    cleanups: step === "prepare" ? state.cleanups : [...state.cleanups, undo],
    nextRotationAt: now + Math.min(state.everyMs, dayMs)
  }
}

/**
 * A secret was stored by hand: it wins. The claim stays until it is given back or over, so that nobody is at
 * the system at once with whoever holds it.
 */
export const afterHand = (state: Rotating, now: number): Rotating => ({
  ...abandoned(state, now),
  attempts: 0,
  nextRotationAt: now + state.everyMs,
  lastError: null,
  toldAt: null
})

/**
 * How a secret of `user` is taken away where a system has users: nobody else has it, so the user is locked.
 * `confirm`: it is the user of a secret that is handed out or about to be, so that only the old secret's being
 * refused is waited for.
 */
export const takingAway = (user: string, inUse: ReadonlySet<string>): "lock" | "confirm" =>
  inUse.has(user) ? "confirm" : "lock"
