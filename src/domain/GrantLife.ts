/**
 * The life of an OAuth grant that is refreshed, as pure functions.
 *
 *   idle ──claim──> claimed ──answer stored──> settled: idle | failing | in_doubt | reconnect_needed
 *                      ├──no exchange began: given back──> as before the claim, but for the term
 *                      └──claim runs out, nothing stored──> in_doubt ──> another claim, by the provider's rule
 *
 * What is being protected: a refresh may spend the grant that it is made with, and the only copy of
 * the next one is in the provider's answer. So
 * - one exchange at a time: a claim with a term, durable before the exchange begins;
 * - an answer is durable, whole and sealed, before anybody looks at it, whatever became of its claim;
 * - answers are settled in the order of their terms; a later term never gives way to an earlier one;
 * - the grant of before stays, sealed, one generation beyond the commit of the next one;
 * - a refusal takes away only the grant that was refused: who lost a race wipes nobody's winner.
 *
 * An answer that is lost on the wire after the provider spent a grant that it does not take twice is
 * lost whatever we do. Until the provider has said so, or the time in which somebody could still
 * come with the answer is over, the state is `in_doubt`; then a person must reconnect.
 *
 * All times are UNIX milliseconds of the database's clock.
 *
 * Longer than 300 lines because these rules are walked, and read, together.
 */
import { Data } from "effect"
import {
  type Answer,
  type Claim,
  type GrantRules,
  type GrantState,
  type GrantTiming,
  type HeldGrant,
  type Holding,
  type Named,
  newestTerm,
  type Placement,
  type Settlement
} from "./Grant.ts"

export type * from "./Grant.ts"
export { newestTerm, newGrant } from "./Grant.ts"

/** Using a grant may spend it. */
export const spends = (rules: GrantRules): boolean => rules.refreshTokens !== "keep"

/** Using again what was used from `since` on could end what somebody else holds. */
const isDangerous = (rules: GrantRules, since: number, now: number): boolean =>
  spends(rules) &&
  rules.reuse === "revoke_family" &&
  !(rules.refreshTokens === "rotate_with_grace" && now < since + rules.graceMs)

/** Until when using again what was used from `since` on is within the grace, where anything else is dangerous. */
const safeUntil = (rules: GrantRules, since: number | null): number =>
  since !== null && rules.refreshTokens === "rotate_with_grace" && rules.reuse === "revoke_family"
    ? since + rules.graceMs
    : Number.MAX_SAFE_INTEGER

type Open = GrantState["open"]

/** Those whose holders may still come with an answer. */
const stillOpen = (open: Open, { doubtMs }: GrantTiming, now: number): Open =>
  open.filter(({ at }) => now < at + doubtMs)

const openUntilOf = (open: Open, { doubtMs }: GrantTiming): number => Math.max(...open.map(({ at }) => at + doubtMs))

const sinceOf = (open: Open): number | null => (open.length === 0 ? null : Math.min(...open.map(({ at }) => at)))

// ---- claim -------------------------------------------------------------------

export type ClaimDecision = Data.TaggedEnum<{
  /** Written first, in the transaction in which it was decided; then the exchange begins. */
  Claim: { readonly state: GrantState; readonly claim: Claim; readonly spends: HeldGrant }
  /** Answers wait to be settled: before that nothing is known of what is held. */
  Settle: {}
  /** Somebody is at it. */
  Busy: { readonly until: number }
  /** Not before this moment. `inDoubt`: somebody may still come with an answer. */
  Wait: { readonly until: number; readonly inDoubt: boolean; readonly state: GrantState }
  /** Only a person can go on. */
  ReconnectNeeded: { readonly state: GrantState }
}>
export const ClaimDecision = Data.taggedEnum<ClaimDecision>()

/** Whether what was the one's is the other's. Not of its own a name means whatever entry the tenant has of it by now. */
export const isSameProvider = (of: Named, present: Named): boolean =>
  of.provider === present.provider && (of.own !== true || present.own === true)

/**
 * What may be sent to the provider that is named. What is handed out may, whoever gave it: who names another provider
 * for it says that it is that one's.
 */
const sendable = ({ current, spares }: Holding): ReadonlyArray<HeldGrant> => [
  current,
  ...spares.filter(({ of }) => of === undefined)
]

const isUsable = ({ astray, refused }: HeldGrant): boolean => !refused && astray !== true

/** Undefined: the one that is named. */
const isOwnedBy = (held: HeldGrant, of: Named | undefined): boolean =>
  held.of === undefined ? of === undefined : of !== undefined && isSameProvider(held.of, of)

/**
 * The grant to use next: what is handed out, then what is kept, the newest first. One whose successor was
 * received comes last, for the case that its successor is refused; what a person has put aside comes behind it.
 */
export const spendable = (holding: Holding): HeldGrant | undefined => {
  const held = sendable(holding)
  const usable = held.filter(isUsable)
  const own = usable.filter(({ aside }) => aside !== true)
  const successorRefused = held.some((one) => !isUsable(one) && one.aside !== true)
  return (
    own.find(({ spent }) => !spent) ??
    (successorRefused ? own[0] : undefined) ??
    usable.find(({ spent }) => !spent) ??
    usable[0]
  )
}

/**
 * Whether an exchange may begin now, and with which grant. `asked`: somebody waits for it, so that a
 * pause after failures does not count.
 */
export const decideClaim = (options: {
  readonly state: GrantState
  readonly rules: GrantRules
  readonly timing: GrantTiming
  readonly holding: Holding
  /** Answers are stored that were not settled. */
  readonly unsettled: boolean
  readonly now: number
  readonly holder: string
  readonly asked: boolean
}): ClaimDecision => {
  const { asked, holder, holding, now, rules, state, timing, unsettled } = options
  if (unsettled) return ClaimDecision.Settle()
  const { claim } = state
  if (claim !== null && now < claim.until) return ClaimDecision.Busy({ until: claim.until })
  if (state.isFinal) return ClaimDecision.ReconnectNeeded({ state })
  // The holder of a claim that ran out may have spent the grant, and may still have the answer.
  const ranOut = claim !== null && spends(rules) ? [...state.open, { term: claim.term, at: claim.at }] : state.open
  const open = stillOpen(ranOut, timing, now)
  const doubtSince = claim !== null && spends(rules) ? (state.doubtSince ?? claim.at) : state.doubtSince
  const begunUpTo = claim === null ? state.begunUpTo : undefined
  const aside = state.asideOpen === undefined ? {} : { asideOpen: stillOpen(state.asideOpen, timing, now) }
  const known: GrantState = { ...state, claim: null, doubtSince, open, begunUpTo, ...aside }
  const doubtEnds = doubtSince === null ? null : doubtSince + timing.doubtMs
  const openUntil = openUntilOf(open, timing)
  if (open.length > 0 && isDangerous(rules, doubtSince ?? now, now)) {
    return ClaimDecision.Wait({ until: openUntil, inDoubt: true, state: known })
  }
  const chosen = spendable(holding)
  const isLastResort = chosen === undefined || chosen.aside === true
  const until = Math.max(openUntil, doubtEnds ?? Number.NEGATIVE_INFINITY)
  if (isLastResort && now < until) return ClaimDecision.Wait({ until, inDoubt: true, state: known })
  if (chosen === undefined) return ClaimDecision.ReconnectNeeded({ state: { ...known, isFinal: true } })
  const openAside = chosen.aside === true ? (aside.asideOpen ?? []) : []
  const asideSince = sinceOf(openAside)
  if (asideSince !== null && isDangerous(rules, asideSince, now)) {
    return ClaimDecision.Wait({ until: openUntilOf(openAside, timing), inDoubt: true, state: known })
  }
  if (!asked && claim === null && state.nextAttemptAt !== null && now < state.nextAttemptAt) {
    return ClaimDecision.Wait({ until: state.nextAttemptAt, inDoubt: doubtSince !== null, state: known })
  }
  const next: Claim = {
    term: state.term + 1,
    holder,
    spends: chosen.version,
    at: now,
    until: now + timing.claimMs,
    beginBy: Math.min(
      now + timing.claimMs,
      open.length === 0 || now >= safeUntil(rules, doubtSince) ? Number.MAX_SAFE_INTEGER : safeUntil(rules, doubtSince),
      safeUntil(rules, asideSince)
    )
  }
  return ClaimDecision.Claim({ state: { ...known, term: next.term, claim: next }, claim: next, spends: chosen })
}

/**
 * Whether the holder may begin its exchange: asked at the last moment, over what is stored then, since it
 * may have slept, and somebody else may have come with an answer.
 */
export const mayBegin = (options: {
  readonly claim: Claim
  readonly state: GrantState
  readonly holding: Holding
  readonly unsettled: boolean
  readonly now: number
}): boolean => {
  const { claim, holding, now, state, unsettled } = options
  return (
    now < claim.beginBy &&
    !unsettled &&
    state.claim?.term === claim.term &&
    spendable(holding)?.version === claim.spends
  )
}

// ---- give back ---------------------------------------------------------------

/**
 * The claim of this term, whose exchange did not begin and never will: nothing was spent, so nothing is in doubt,
 * and the next one need not wait. Undefined: that claim is over, or another one's by now. The term is not given again.
 */
export const giveBack = (state: GrantState, term: number): GrantState | undefined =>
  state.claim?.term === term ? { ...state, claim: null, begunUpTo: state.begunUpTo ?? term - 1 } : undefined

/** Whether no exchange of a term that somebody waits for began; told until a later one has ended. */
export const wasGivenBack = ({ begunUpTo, claim }: GrantState, term: number): boolean =>
  begunUpTo !== undefined && term > begunUpTo && claim?.term !== term

// ---- an answer that cannot be opened -------------------------------------------

/**
 * Answers of these terms are stored and cannot be opened; their exchanges have ended. What they brought may be the only
 * live grant, where an exchange spends one: there they stay, so that nothing begins, and are doubt. Where it spends
 * nothing, what is held is as good as before: they are put aside, and stand in nobody's way.
 */
export const decideUnread = (options: {
  readonly state: GrantState
  readonly rules: GrantRules
  readonly terms: ReadonlyArray<number>
  readonly now: number
}): { readonly state: GrantState; readonly putsAside: boolean } => {
  const { now, rules, state, terms } = options
  const ended = state.claim !== null && terms.includes(state.claim.term) ? state.claim : null
  const known: GrantState = ended === null ? state : { ...state, claim: null, begunUpTo: undefined }
  if (!spends(rules)) return { state: known, putsAside: true }
  return { state: { ...known, doubtSince: state.doubtSince ?? ended?.at ?? now }, putsAside: false }
}

// ---- settle ------------------------------------------------------------------

/** Where a received grant goes. What is handed out never gives way to something older. */
export const placementOf = (holding: Holding, answer: Answer, { asideUpTo }: GrantState): Placement => {
  const { outcome, spent, term } = answer
  if (outcome.kind !== "granted") return "none"
  const { current, spares } = holding
  if (current.term < term) return "promote"
  // The same grant was stored again while it, or its successor, was being spent: what came of that is newer.
  const isPutAside = asideUpTo === undefined ? current.byHand : term <= asideUpTo
  const isOfAnother = current.grant !== spent && isPutAside
  if (!isOfAnother) return "spare"
  return [current, ...spares].some(({ grant }) => grant === outcome.grant) ? "superseded" : "aside"
}

/**
 * What an answer means. Answers come in the order of their terms as far as they are stored; a late one
 * counts as well, whoever has claimed since.
 */
export const decideSettle = (options: {
  readonly state: GrantState
  readonly rules: GrantRules
  readonly timing: GrantTiming
  readonly holding: Holding
  readonly answer: Answer
  readonly now: number
}): Settlement => {
  const { answer, holding, now, rules, timing } = options
  const { outcome, term } = answer
  const isNewest = term === newestTerm(options.state)
  const isOfClaim = options.state.claim?.term === term
  const claim = isOfClaim ? null : options.state.claim
  const asideOpen = options.state.asideOpen?.filter((one) => one.term !== term)
  const known: GrantState = asideOpen === undefined ? options.state : { ...options.state, asideOpen }
  const state: GrantState = isOfClaim ? { ...known, begunUpTo: undefined } : known
  const open = state.open.filter((one) => one.term !== term)
  switch (outcome.kind) {
    case "granted": {
      const placement = placementOf(holding, answer, state)
      const kept: GrantState = { ...state, claim, open }
      const spent = spends(rules) && outcome.grant !== answer.spent ? answer.spent : null
      if (placement === "superseded") return { state: kept, placement, spent, refused: null }
      const { retryAt } = outcome
      if (placement === "aside") {
        // It says nothing of the stored one; where that has ended, it is used now.
        const again = { doubtSince: null, nextAttemptAt: retryAt ?? now, isFinal: false }
        return { state: state.isFinal ? { ...kept, ...again } : kept, placement, spent, refused: null }
      }
      // Nobody can come with an older answer that would count for more.
      const settled = isNewest || state.isFinal
      const after =
        retryAt === undefined
          ? { attempts: 0, nextAttemptAt: null }
          : { attempts: state.attempts + 1, nextAttemptAt: retryAt }
      return {
        state: settled ? { ...kept, ...after, doubtSince: null, isFinal: false } : kept,
        placement,
        spent,
        refused: null
      }
    }
    case "refused": {
      const known = marked(holding, { refused: answer.spent, spent: null }, answer.of)
      const left = sendable(known).some(isUsable)
      const doubtEnds = state.doubtSince === null ? null : state.doubtSince + timing.doubtMs
      const mayCome =
        claim !== null || open.some(({ at }) => now < at + timing.doubtMs) || (doubtEnds !== null && now < doubtEnds)
      return {
        state: {
          ...state,
          claim,
          open,
          attempts: state.attempts + 1,
          nextAttemptAt: left ? null : doubtEnds,
          isFinal: state.isFinal || (!left && !mayCome)
        },
        placement: "none",
        spent: null,
        refused: answer.spent
      }
    }
    case "transient":
    case "unknown": {
      const inDoubt = outcome.kind === "unknown" && spends(rules)
      return {
        state: {
          ...state,
          claim,
          open,
          doubtSince: inDoubt ? (state.doubtSince ?? answer.claimedAt) : state.doubtSince,
          attempts: isNewest ? state.attempts + 1 : state.attempts,
          nextAttemptAt: isNewest ? outcome.retryAt : state.nextAttemptAt
        },
        placement: "none",
        spent: null,
        refused: null
      }
    }
  }
}

/**
 * What is kept once `promoted` is handed out: what was handed out before, the grant that was spent for it (the
 * provider may forget what it answered), whatever is newer than those, and what is another provider's and lives. The
 * grant that was spent is the one's that took it.
 */
export const afterPromotion = (holding: Holding, promoted: HeldGrant, spent: string): Holding => {
  const { of } = promoted
  const kept = holding.spares.filter(
    (one) => one.grant === spent || one.term >= holding.current.term || (!isOwnedBy(one, of) && !one.spent)
  )
  return {
    current: promoted,
    spares: [holding.current, ...kept].map((one) => (one.grant === spent ? withOwner(one, of) : one))
  }
}

/** A spare takes its place in the order of terms. */
export const withSpare = (holding: Holding, spare: HeldGrant): Holding => ({
  current: holding.current,
  spares: [...holding.spares, spare].toSorted((a, b) => b.term - a.term)
})

// ---- another provider ----------------------------------------------------------

const withOwner = ({ of: _, ...held }: HeldGrant, of: Named | undefined): HeldGrant =>
  of === undefined ? held : { ...held, of }

/** Another provider is named: all that is held stays the former one's, but for what was that other one's before. */
export const ofNamed = (holding: Holding, former: Named, named: Named): Holding => {
  if (isSameProvider(former, named)) return holding
  const owned = ({ astray: _, ...held }: HeldGrant): HeldGrant => {
    const of =
      held.of ?? (former.own === true ? { provider: former.provider, own: true } : { provider: former.provider })
    return withOwner(held, isSameProvider(of, named) ? undefined : of)
  }
  return { current: owned(holding.current), spares: holding.spares.map(owned) }
}

/** The same, and what is held for the one that is named now may go on, though nothing of the former one's could. */
export const namedAnew = (
  { holding, state }: { readonly state: GrantState; readonly holding: Holding },
  former: Named,
  named: Named
): { readonly state: GrantState; readonly holding: Holding } => {
  const kept = ofNamed(holding, former, named)
  const isFinal = state.isFinal && (kept === holding || spendable(kept) === undefined)
  return { state: { ...state, isFinal }, holding: kept }
}

// ---- a person ------------------------------------------------------------------

/** A secret was stored by hand: everything begins anew, but for a claim that is under way and the order of terms. */
export const afterHand = (
  state: GrantState,
  holding: Holding,
  stored: { readonly version: number; readonly grant: string }
): { readonly state: GrantState; readonly holding: Holding } => {
  const held = [holding.current, ...holding.spares]
  const same = held.find(({ grant }) => grant === stored.grant)
  const current: HeldGrant = {
    ...stored,
    term: state.term,
    byHand: true,
    spent: same?.spent ?? false,
    refused: false
  }
  const isAnother = same === undefined || same.aside === true
  // Whose exchanges these are is not told: some are of grants that are put aside now, some, perhaps, of one that was.
  const everyOpen = [
    ...new Map([...(state.asideOpen ?? []), ...state.open].map((one) => [one.term, one] as const)).values()
  ]
  const doubt = !isAnother
    ? {}
    : {
        open: same === undefined ? [] : everyOpen,
        doubtSince: same === undefined ? null : (state.doubtSince ?? sinceOf(everyOpen)),
        ...(everyOpen.length === 0 ? {} : { asideOpen: everyOpen })
      }
  const past = { asideUpTo: isAnother ? state.term : (state.asideUpTo ?? -1) }
  const spares = held
    .filter(({ version }) => version !== stored.version)
    .map((one) => (isAnother && one.grant !== stored.grant ? { ...one, aside: true as const } : one))
  return {
    state: { ...state, ...doubt, ...past, attempts: 0, nextAttemptAt: null, isFinal: false },
    // What an exchange under way may bring, or has brought, is newer than the same grant stored again.
    holding: { current, spares }
  }
}

/**
 * A rotation was taken away and is there again: what was known goes on, terms, claims and doubts among it, since an
 * exchange of before may still be under way. One that had ended begins anew, and so does what was stored meanwhile.
 */
export const takenUp = (
  former: { readonly state: GrantState; readonly holding: Holding },
  stored: { readonly version: number; readonly grant: string }
): { readonly state: GrantState; readonly holding: Holding } =>
  former.holding.current.version === stored.version && !former.state.isFinal
    ? former
    : afterHand(former.state, former.holding, stored)

/** What is known of the grants that are held, after an answer; `of`: whose, where another provider is named by now. */
export const marked = (
  holding: Holding,
  { refused, spent }: Pick<Settlement, "refused" | "spent">,
  of?: Named
): Holding => {
  const mark = (held: HeldGrant): HeldGrant => {
    const isRefused = held.grant === refused
    const isOwn = isOwnedBy(held, of)
    return {
      ...held,
      spent: held.spent || held.grant === spent,
      refused: held.refused || (isRefused && isOwn),
      ...(isRefused && !isOwn && of === undefined ? { astray: true } : {})
    }
  }
  return { current: mark(holding.current), spares: holding.spares.map(mark) }
}
