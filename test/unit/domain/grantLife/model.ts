/**
 * A model of refreshing one grant, small enough to be walked completely: two processes, one database,
 * one provider. Every decision is made by the functions of `domain/GrantLife.ts`; a mutant exchanges one
 * of them, or takes a safeguard out of what is done with them.
 *
 * A process that takes no step is a paused one. Grants are numbers: the provider gives 1, then 2…;
 * a person who connects anew brings 100, and the provider keeps what it gave before beside it. `excuse` is set by the very steps after which a provider that
 * takes no spent grant has made loss certain, and by nothing else. Where that happens to what a person has connected
 * anew, the walk goes on: what was put aside is all that is left to lose.
 */
import * as Life from "../../../../src/domain/GrantLife.ts"

export interface Protocol {
  readonly decideClaim: typeof Life.decideClaim
  readonly decideSettle: typeof Life.decideSettle
  readonly afterPromotion: typeof Life.afterPromotion
  readonly giveBack: typeof Life.giveBack
  readonly decideUnread: typeof Life.decideUnread
  readonly takenUp: typeof Life.takenUp
  readonly namedAnew: typeof Life.namedAnew
  /** Answers are stored whole before they are looked at. Otherwise they are looked at, and what does not fit is dropped. */
  readonly storesAnswers: boolean
  /** An answer is stored also when its claim has run out. */
  readonly storesLateAnswers: boolean
  /** The holder of a claim looks once more, at the last moment, whether it still is. */
  readonly checksClaim: boolean
  /** A caller that goes away does not end the exchange. */
  readonly isUninterruptible: boolean
}

export const production: Protocol = {
  decideClaim: Life.decideClaim,
  decideSettle: Life.decideSettle,
  afterPromotion: Life.afterPromotion,
  giveBack: Life.giveBack,
  decideUnread: Life.decideUnread,
  takenUp: Life.takenUp,
  namedAnew: Life.namedAnew,
  storesAnswers: true,
  storesLateAnswers: true,
  checksClaim: true,
  isUninterruptible: true
}

/** What may happen, and how often. */
export interface Scenario {
  readonly name: string
  readonly rules: Life.GrantRules
  readonly ticks: number
  /** Refreshes that somebody wants. */
  readonly wanted: number
  readonly lost: number
  readonly unreached: number
  readonly crashes: number
  readonly hands: number
  /** `older`: a copy that was read before the last exchange, and is still held. */
  readonly hand: "same" | "older" | "new"
  /** The provider answers and then forgets that it did. */
  readonly forgets: number
  /** A caller goes away while an exchange is under way. */
  readonly interrupts: number
  /** Something stands in the way of an exchange that was claimed and has not begun. */
  readonly hindrances: number
  /** The rotation is taken away and named anew. */
  readonly removals: number
  /** Somebody who writes to the database changes the row of a stored answer; it may be put right at any time. */
  readonly spoils: number
  /** Another provider is named, or the first one again. Then a person connects anew at the other one alone. */
  readonly names: number
  /** The provider ends what a person has connected anew, for reasons of its own. */
  readonly ends: number
}

/** What the two processes are called; nothing else is called so. */
export const names = ["process 0", "process 1"] as const

export const timing: Life.GrantTiming = { claimMs: 2, doubtMs: 4 }

type Named = "first" | "other"

type Received =
  | { readonly kind: "granted"; readonly grant: number }
  | { readonly kind: "refused" }
  | { readonly kind: "unknown" }
  | { readonly kind: "transient" }

interface Process {
  readonly alive: boolean
  readonly claim: Life.Claim | null
  readonly spent: number
  /** What the provider said, on its way. */
  readonly flying: Received | null
  readonly sent: boolean
  /** Whom it asks. */
  readonly asks: Named
  /** Its exchange will not begin: what is left to do is to give the claim back. */
  readonly leaves: boolean
  /** What has arrived and is in memory. */
  readonly got: Received | null
}

interface Stored {
  readonly term: number
  readonly spends: number
  readonly spent: number
  readonly claimedAt: number
  readonly outcome: Received
  readonly of: Named
  /** It cannot be opened, as its row is now. */
  readonly isSpoiled: boolean
}

export interface State {
  readonly now: number
  readonly left: {
    readonly [K in
      | "wanted"
      | "lost"
      | "unreached"
      | "crashes"
      | "hands"
      | "forgets"
      | "interrupts"
      | "hindrances"
      | "removals"
      | "spoils"
      | "names"
      | "ends"]: number
  }
  readonly provider: {
    readonly newest: number
    readonly before: number
    readonly spentAt: number
    readonly dead: boolean
  }
  /** The family of before, where a person has connected anew. */
  readonly aside: State["provider"] | null
  readonly grant: Life.GrantState
  readonly holding: Life.Holding
  readonly versions: number
  readonly answers: ReadonlyArray<Stored>
  readonly processes: readonly [Process, Process]
  readonly excuse: boolean
  /** What a person has connected anew has ended, and nobody could prevent it. */
  readonly ownEnded: boolean
  /** Grants that were received and lie sealed where no decision sees them. */
  readonly apart: ReadonlyArray<number>
  /** An answer that cannot be opened was noted, and nothing begins while it is there. */
  readonly heldUp: boolean
  readonly named: Named
  /** The other provider was sent what this one gave, and nobody had said that it is its own. */
  readonly leaked: boolean
  readonly refreshed: number
}

/** The first grant of a person who connects anew. */
const anew = 100

const idle: Process = {
  alive: true,
  claim: null,
  spent: 0,
  flying: null,
  sent: false,
  asks: "first",
  leaves: false,
  got: null
}

export const initial = ({ hand: _hand, name: _name, rules: _rules, ticks: _ticks, ...left }: Scenario): State => ({
  now: 0,
  left,
  provider: { newest: 1, before: 0, spentAt: 0, dead: false },
  aside: null,
  grant: Life.newGrant,
  holding: {
    current: { version: 1, term: 0, byHand: true, grant: "1", spent: false, refused: false },
    spares: []
  },
  versions: 1,
  answers: [],
  processes: [idle, idle],
  excuse: false,
  ownEnded: false,
  apart: [],
  heldUp: false,
  named: "first",
  leaked: false,
  refreshed: 0
})

const take = (left: State["left"], key: keyof State["left"]): State["left"] => ({ ...left, [key]: left[key] - 1 })

const withProcess = (state: State, index: 0 | 1, process: Process): State["processes"] =>
  index === 0 ? [process, state.processes[1]] : [state.processes[0], process]

// ---- the provider ----------------------------------------------------------------

const stillAnswers = (rules: Life.GrantRules, provider: State["provider"], grant: number, now: number): boolean =>
  !provider.dead &&
  (grant === provider.newest ||
    (grant === provider.before &&
      (rules.refreshTokens === "rotate_with_grace"
        ? now < provider.spentAt + rules.graceMs || rules.reuse === "same_successor"
        : rules.refreshTokens === "rotate" && rules.reuse === "same_successor")))

const exchange = (
  rules: Life.GrantRules,
  provider: State["provider"],
  grant: number,
  now: number
): readonly [State["provider"], Received] => {
  if (provider.dead) return [provider, { kind: "refused" }]
  if (rules.refreshTokens === "keep") {
    return [provider, grant === provider.newest ? { kind: "granted", grant } : { kind: "refused" }]
  }
  if (grant === provider.newest) {
    const next = { newest: grant + 1, before: grant, spentAt: now, dead: false }
    return [next, { kind: "granted", grant: next.newest }]
  }
  if (stillAnswers(rules, provider, grant, now)) return [provider, { kind: "granted", grant: provider.newest }]
  // One that the provider does not know of.
  if (grant > provider.newest) return [provider, { kind: "refused" }]
  return [rules.reuse === "revoke_family" ? { ...provider, dead: true } : provider, { kind: "refused" }]
}

// ---- what is lost ------------------------------------------------------------------

const held = ({ holding }: State): ReadonlyArray<Life.HeldGrant> => [holding.current, ...holding.spares]

/** The provider's live grant is held, on its way to somebody who lives, or can still be had with what is held. */
const isReachable = (scenario: Scenario, state: State): boolean => {
  const { newest } = state.provider
  const has = (received: Received | null) => received?.kind === "granted" && received.grant === newest
  return (
    held(state).some(({ grant }) => stillAnswers(scenario.rules, state.provider, Number(grant), state.now)) ||
    state.answers.some(({ outcome }) => has(outcome)) ||
    state.processes.some(({ alive, flying, got }) => alive && (has(flying) || has(got)))
  )
}

/** After this provider's answer is gone there is no way back, whatever we do. */
const isHopeless = (scenario: Scenario, state: State): boolean => !state.provider.dead && !isReachable(scenario, state)

/** What an exchange brought of the grant that a person put aside is used when nothing else is left. */
const violationAside = (scenario: Scenario, state: State): string | null => {
  const { apart, aside, grant, named } = state
  if (aside === null) return null
  const { dead, newest } = aside
  const has = held(state).some((one) => !one.refused && Number(one.grant) === newest)
  if (!has && !apart.includes(newest)) return null
  if (dead) return `the provider ended the family that was put aside, though ${newest} was received`
  const isNamed = scenario.names === 0 || named === "first"
  return grant.isFinal && isNamed ? `a person is asked for, though ${newest} of before was received and lives` : null
}

/** A claim in force that no process has, and no answer is there of: nobody died with it, and all wait for its end. */
const isOrphan = (scenario: Scenario, state: State): boolean => {
  const { claim } = state.grant
  if (claim === null || state.now >= claim.until || state.left.crashes < scenario.crashes) return false
  return (
    state.processes.every((one) => one.claim?.term !== claim.term) &&
    state.answers.every(({ term }) => term !== claim.term)
  )
}

export const violationOf = (scenario: Scenario, state: State): string | null => {
  if (state.leaked) return "a provider was sent what another one gave"
  if (state.excuse) return null
  const ofAside = violationAside(scenario, state)
  if (ofAside !== null || state.ownEnded) return ofAside
  if (state.provider.dead) return "the provider ended the whole family"
  if (state.heldUp && !Life.spends(scenario.rules))
    return "all wait for an answer that nobody can open, and nothing was spent"
  if (scenario.hindrances > 0 && isOrphan(scenario, state)) return "all wait for a claim that nobody has"
  const { aside, holding } = state
  const isOfAnother = aside !== null && Number(holding.current.grant) < anew
  if (isOfAnother && scenario.names === 0 && isReachable(scenario, state))
    return "another grant is used than the one that a person has stored"
  if (!isReachable(scenario, state)) return `the provider has grant ${state.provider.newest}, and nobody here`
  const usable = held(state).some(({ grant, refused }) => !refused && Number(grant) === state.provider.newest)
  const isNamed = scenario.names === 0 || state.named === (aside === null ? "first" : "other")
  return state.grant.isFinal && usable && isNamed ? "gave up although the live grant is held" : null
}

// ---- steps -------------------------------------------------------------------------

type Step = readonly [label: string, after: State]

const outcomeOf = (received: Received, now: number): Life.Outcome => {
  switch (received.kind) {
    case "granted":
      return { kind: "granted", grant: String(received.grant) }
    case "refused":
      return received as { kind: "refused" }
    default:
      return { kind: received.kind, retryAt: now }
  }
}

const settle = (scenario: Scenario, protocol: Protocol, state: State, stored: Stored): State => {
  const of = stored.of === state.named ? {} : { of: { provider: stored.of } }
  const answer: Life.Answer = {
    ...of,
    term: stored.term,
    spends: stored.spends,
    spent: String(stored.spent),
    claimedAt: stored.claimedAt,
    outcome: outcomeOf(stored.outcome, state.now)
  }
  const settlement = protocol.decideSettle({
    state: state.grant,
    rules: scenario.rules,
    timing,
    holding: state.holding,
    answer,
    now: state.now
  })
  let holding = Life.marked(state.holding, settlement, of.of)
  let versions = state.versions
  if (settlement.placement !== "none" && settlement.placement !== "superseded") {
    versions += 1
    const grant = answer.outcome.kind === "granted" ? answer.outcome.grant : ""
    const one = { version: versions, term: answer.term, byHand: false, grant, spent: false, refused: false, ...of }
    holding =
      settlement.placement === "promote"
        ? protocol.afterPromotion(holding, one, answer.spent)
        : Life.withSpare(holding, settlement.placement === "aside" ? { ...one, aside: true } : one)
  }
  // What a person has connected anew was shown to live: what was put aside for it may go.
  const isLetGo = settlement.placement === "promote" && scenario.names === 0 && stored.spent >= anew
  return {
    ...state,
    grant: settlement.state,
    holding,
    versions,
    answers: state.answers.filter((one) => one !== stored),
    apart: isLetGo
      ? []
      : settlement.placement === "superseded" && stored.outcome.kind === "granted"
        ? [...state.apart, stored.outcome.grant]
        : state.apart,
    refreshed: state.refreshed + (settlement.placement === "promote" ? 1 : 0)
  }
}

/** The oldest term first, as the service reads them; what cannot be opened holds up none that came later. */
const oldest = (answers: ReadonlyArray<Stored>): Stored | undefined =>
  answers.filter(({ isSpoiled }) => !isSpoiled).toSorted((a, b) => a.term - b.term)[0]

const noted = (scenario: Scenario, protocol: Protocol, state: State): State => {
  const terms = state.answers.filter(({ isSpoiled }) => isSpoiled).map(({ term }) => term)
  const { putsAside, state: grant } = protocol.decideUnread({
    state: state.grant,
    rules: scenario.rules,
    terms,
    now: state.now
  })
  const answers = putsAside ? state.answers.filter(({ isSpoiled }) => !isSpoiled) : state.answers
  return { ...state, grant, answers, heldUp: !putsAside }
}

const claimsOf = (protocol: Protocol, scenario: Scenario, state: State, index: 0 | 1) =>
  protocol.decideClaim({
    state: state.grant,
    rules: scenario.rules,
    timing,
    holding: state.holding,
    unsettled: state.answers.length > 0,
    now: state.now,
    holder: names[index],
    asked: true
  })

/** An answer that this process had is gone: certain loss for a provider that does not take a spent grant again. */
const gone = (scenario: Scenario, before: State, after: State): State =>
  !after.excuse &&
  !after.ownEnded &&
  isHopeless(scenario, after) &&
  isReachable(scenario, before) &&
  scenario.rules.refreshTokens !== "keep"
    ? before.aside === null
      ? { ...after, excuse: true }
      : { ...after, ownEnded: true }
    : after

/** The other one has an answer in hand that nobody has seen, and has slept beyond all doubt. */
const sleeps = (state: State, index: 0 | 1): boolean => {
  const { alive, claim, flying, got } = state.processes[index === 0 ? 1 : 0]
  return alive && claim !== null && (flying !== null || got !== null) && state.now >= claim.at + timing.doubtMs
}

function ofProcess(scenario: Scenario, protocol: Protocol, state: State, index: 0 | 1, steps: Array<Step>): void {
  const process = state.processes[index]
  const put = (next: Partial<Process>) => withProcess(state, index, { ...process, ...next })
  const { left } = state
  if (!process.alive) {
    steps.push([`${index} starts again`, { ...state, processes: withProcess(state, index, idle) }])
    return
  }
  if (left.crashes > 0 && (process.claim !== null || process.got !== null)) {
    const after = { ...state, left: take(left, "crashes"), processes: put({ ...idle, alive: false }) }
    steps.push([`${index} dies`, gone(scenario, state, after)])
  }
  const { claim } = process
  if (claim === null) {
    const stored = oldest(state.answers)
    if (stored !== undefined)
      steps.push([`${index} settles term ${stored.term}`, settle(scenario, protocol, state, stored)])
    if (state.answers.some(({ isSpoiled }) => isSpoiled)) {
      steps.push([`${index} notes what cannot be opened`, noted(scenario, protocol, state)])
    }
    const decision = claimsOf(protocol, scenario, state, index)
    const isWanted = left.wanted > 0 || state.grant.doubtSince !== null || state.grant.claim !== null
    if (decision._tag === "Claim" && isWanted) {
      const spent = Number(decision.spends.grant)
      const after: State = {
        ...state,
        left: left.wanted > 0 ? take(left, "wanted") : left,
        grant: decision.state,
        processes: put({ claim: decision.claim, spent, asks: state.named }),
        leaked: giver(scenario, state, spent) !== state.named && decision.spends.grant !== state.holding.current.grant
      }
      steps.push([`${index} claims term ${decision.claim.term} with grant ${spent}`, after])
    }
    if (decision._tag === "Wait" || decision._tag === "ReconnectNeeded") {
      if (JSON.stringify(decision.state) !== JSON.stringify(state.grant)) {
        steps.push([`${index} notes ${decision._tag}`, { ...state, grant: decision.state }])
      }
    }
    return
  }
  if (process.leaves) {
    const given = protocol.giveBack(state.grant, claim.term)
    // What did not begin is still wanted.
    const wanted = given === undefined ? left : { ...left, wanted: left.wanted + 1 }
    const after = { ...state, left: wanted, grant: given ?? state.grant, processes: put(idle) }
    steps.push([`${index} gives its claim${given === undefined ? ", which is over," : ""} back`, after])
    return
  }
  if (!process.sent) {
    const stands = {
      claim,
      state: state.grant,
      holding: state.holding,
      unsettled: state.answers.length > 0,
      now: state.now
    }
    if (protocol.checksClaim && !Life.mayBegin(stands)) {
      steps.push([`${index} has slept and gives its claim up`, { ...state, processes: put({ leaves: true }) }])
      return
    }
    if (left.hindrances > 0) {
      const after = { ...state, left: take(left, "hindrances"), processes: put({ leaves: true }) }
      steps.push([`${index} cannot begin its exchange`, after])
    }
    if (giver(scenario, state, process.spent) !== process.asks) {
      steps.push([
        `${index} sends to another provider`,
        { ...state, processes: put({ sent: true, flying: { kind: "refused" } }) }
      ])
      return
    }
    const ofAside = state.aside !== null && process.spent < anew ? state.aside : null
    const [after, flying] = exchange(scenario.rules, ofAside ?? state.provider, process.spent, state.now)
    const provider = ofAside === null ? after : state.provider
    const aside = ofAside === null ? state.aside : after
    const sent = { ...state, provider, aside, processes: put({ sent: true, flying }) }
    // Beyond all doubt the one who sleeps with the answer is not waited for.
    const givesUp = (provider.dead && !state.provider.dead) || ofAside !== null
    steps.push([`${index} sends`, givesUp && sleeps(state, index) ? { ...sent, excuse: true } : sent])
    if (left.unreached > 0) {
      const after = {
        ...state,
        left: take(left, "unreached"),
        processes: put({ sent: true, got: { kind: "unknown" } })
      }
      steps.push([`${index} sends, and it does not arrive`, after])
    }
    if (left.forgets > 0 && flying.kind === "granted" && flying.grant !== process.spent) {
      const forgotten: Received = { kind: "granted", grant: flying.grant + 50 }
      const after = { ...state, left: take(left, "forgets"), processes: put({ sent: true, flying: forgotten }) }
      steps.push([`${index} sends, and the provider forgets what it answered`, after])
    }
    return
  }
  if (process.flying !== null) {
    steps.push([`${index} receives`, { ...state, processes: put({ flying: null, got: process.flying }) }])
    if (left.lost > 0) {
      const after = { ...state, left: take(left, "lost"), processes: put({ flying: null, got: { kind: "unknown" } }) }
      steps.push([`the answer to ${index} is lost`, gone(scenario, state, after)])
    }
    if (left.interrupts > 0) {
      const after = { ...state, left: take(left, "interrupts") }
      steps.push(
        protocol.isUninterruptible
          ? [`the caller of ${index} goes away`, after]
          : [`the caller of ${index} goes away`, { ...after, processes: withProcess(state, index, idle) }]
      )
    }
    return
  }
  if (process.got !== null) {
    const { at: claimedAt, spends, term } = claim
    const stored: Stored = {
      term,
      spends,
      spent: process.spent,
      of: process.asks,
      claimedAt,
      outcome: process.got,
      isSpoiled: false
    }
    const done = withProcess(state, index, idle)
    if (protocol.storesAnswers) {
      const isLate = state.grant.claim?.term !== term
      // A second one of the same term changes nothing.
      const isKept = (isLate && !protocol.storesLateAnswers) || state.answers.some((one) => one.term === term)
      const answers = isKept ? state.answers : [...state.answers, stored]
      steps.push([`${index} stores its answer`, { ...state, answers, processes: done }])
    } else {
      // Looked at first and written back where the version is still the one that was read.
      const fits = state.holding.current.version === spends
      const after = fits ? settle(scenario, protocol, state, stored) : state
      steps.push([`${index} writes back${fits ? "" : ", and is refused"}`, { ...after, processes: done }])
    }
  }
}

const giver = ({ names }: Scenario, { named }: State, grant: number): Named =>
  names === 0 ? named : grant < anew ? "first" : "other"

const copies = { same: "the same grant", older: "a copy of before", new: "a new grant" } as const

const handed = ({ hand }: Scenario, state: State): ReadonlyArray<string> => {
  if (hand === "new") return [String(anew)]
  const { current, spares } = state.holding
  return hand === "same" ? [current.grant] : [...new Set(spares.map(({ grant }) => grant))]
}

const storedByHand = (scenario: Scenario, state: State, given: string): Step => {
  const isNew = scenario.hand === "new"
  const stored = { version: state.versions + 1, grant: given }
  const { holding, state: grant } = Life.afterHand(state.grant, state.holding, stored)
  const provider = isNew ? { newest: anew, before: 0, spentAt: 0, dead: false } : state.provider
  const aside = isNew ? state.provider : state.aside
  return [
    `a person stores ${copies[scenario.hand]}`,
    { ...state, left: take(state.left, "hands"), versions: stored.version, grant, holding, provider, aside }
  ]
}

/** While somebody can act, time does not run past the end of a provider's grace: sixty seconds against its minutes. */
const mayTick = (scenario: Scenario, state: State): boolean => {
  const { rules } = scenario
  const graceEnds = state.provider.spentAt + rules.graceMs
  if (rules.refreshTokens !== "rotate_with_grace" || rules.reuse === "same_successor") return true
  if (state.provider.before === 0 || state.now + 1 < graceEnds || state.now >= graceEnds) return true
  return isReachable(scenario, { ...state, now: state.now + 1 })
}

export const stepsOf = (scenario: Scenario, protocol: Protocol, state: State): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  for (const index of [0, 1] as const) ofProcess(scenario, protocol, state, index, steps)
  if (state.now < scenario.ticks && mayTick(scenario, state)) {
    steps.push(["time passes", { ...state, now: state.now + 1 }])
  }
  if (state.left.removals > 0) {
    const { grant, version } = state.holding.current
    const again = protocol.takenUp({ state: state.grant, holding: state.holding }, { version, grant })
    const left = take(state.left, "removals")
    steps.push([
      "the rotation is taken away and named anew",
      { ...state, left, grant: again.state, holding: again.holding }
    ])
  }
  if (state.left.names > 0) {
    const named = state.named === "first" ? "other" : "first"
    const known = { state: state.grant, holding: state.holding }
    const { holding, state: grant } = protocol.namedAnew(known, { provider: state.named }, { provider: named })
    steps.push([`the ${named} provider is named`, { ...state, left: take(state.left, "names"), named, grant, holding }])
  }
  if (state.left.ends > 0 && state.aside !== null && !state.provider.dead) {
    const provider = { ...state.provider, dead: true }
    steps.push([
      "what a person connected anew is ended",
      { ...state, left: take(state.left, "ends"), provider, ownEnded: true }
    ])
  }
  for (const answer of state.answers) {
    const put = (isSpoiled: boolean) => state.answers.map((one) => (one === answer ? { ...one, isSpoiled } : one))
    const { term } = answer
    if (answer.isSpoiled) {
      steps.push([`the answer of term ${term} is put right`, { ...state, answers: put(false), heldUp: false }])
    } else if (state.left.spoils > 0) {
      const left = take(state.left, "spoils")
      steps.push([`the stored answer of term ${term} is changed`, { ...state, left, answers: put(true) }])
    }
  }
  if (state.left.hands > 0 && (scenario.names === 0 || state.named === "other"))
    steps.push(...handed(scenario, state).map((given) => storedByHand(scenario, state, given)))
  return steps
}
