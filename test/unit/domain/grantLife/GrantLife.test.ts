// Verifies R-REF-1, R-REF-2, R-REF-11, R-REF-24, R-REF-27, R-REF-28.
/**
 * The promise P7 over every interleaving of two processes, one database and one provider; then each
 * safeguard taken away, and the loss that follows found. The longest walks are in `GrantLifeRotating.test.ts`.
 */
import { assert, describe, expect, it } from "vitest"
import * as Life from "../../../../src/domain/GrantLife.ts"
import { assertAlike } from "../../../support/likeness.ts"
import { explore } from "./explore.ts"
import { initial, names, type Protocol, production, type Scenario, stepsOf, violationOf } from "./model.ts"
import { type Rules, rules, scenarioOf, type World, walkAll } from "./walks.ts"

walkAll(false)

describe("the two processes are alike", () => {
  const everything = {
    lost: 1,
    unreached: 1,
    crashes: 1,
    hands: 1,
    forgets: 1,
    interrupts: 1,
    hindrances: 1,
    spoils: 1
  }
  it.each<Rules>(["keep", "rotate, reuse ends the family", "rotate with grace"])("where the rule is: %s", (rule) => {
    const world = scenarioOf(rule, "a process dies at any step, or sleeps")
    const scenario: Scenario = { ...world, ...everything, hand: "new", removals: 1, names: 1 }
    const steps = (state: ReturnType<typeof initial>) => stepsOf(scenario, production, state)
    assertAlike(initial(scenario), names, steps, (state) => violationOf(scenario, state), 1_000)
  })
})

const settle = (change: (settlement: Life.Settlement, answer: Life.Answer) => Life.Settlement) =>
  ((options) => change(Life.decideSettle(options), options.answer)) satisfies typeof Life.decideSettle

const mutants: ReadonlyArray<{
  readonly name: string
  readonly rule: Rules
  readonly world: World
  readonly change: Partial<Protocol>
}> = [
  {
    name: "two exchanges at once",
    rule: "rotate, reuse ends the family",
    world: "callers go away",
    change: { decideClaim: (options) => Life.decideClaim({ ...options, state: { ...options.state, claim: null } }) }
  },
  {
    name: "an answer is looked at before it is stored",
    rule: "rotate",
    world: "the same grant is stored by hand meanwhile",
    change: { storesAnswers: false }
  },
  {
    name: "an answer that comes after its claim is thrown away",
    rule: "rotate",
    world: "a process dies at any step, or sleeps",
    change: { storesLateAnswers: false }
  },
  {
    name: "an exchange ends with its caller",
    rule: "rotate",
    world: "callers go away",
    change: { isUninterruptible: false }
  },
  {
    name: "the grant of before is dropped with the commit of the next",
    rule: "rotate",
    world: "the provider forgets what it answered",
    change: { afterPromotion: (_, promoted) => ({ current: promoted, spares: [] }) }
  },
  {
    name: "who is refused wipes what somebody else stored",
    rule: "rotate",
    world: "a process dies at any step, or sleeps",
    change: {
      decideSettle: settle((settlement, { outcome }) =>
        outcome.kind === "refused" ? { ...settlement, state: { ...settlement.state, isFinal: true } } : settlement
      )
    }
  },
  {
    name: "a claim that ran out is used all the same",
    rule: "rotate, reuse ends the family",
    world: "a process dies at any step, or sleeps",
    change: { checksClaim: false }
  },
  {
    name: "nobody waits for a sleeper's answer",
    rule: "rotate, reuse ends the family",
    world: "a process dies at any step, or sleeps",
    change: { decideClaim: (options) => Life.decideClaim({ ...options, timing: { ...options.timing, doubtMs: 0 } }) }
  },
  {
    name: "what was spent is not known as such",
    rule: "rotate, reuse ends the family",
    world: "the same grant is stored by hand meanwhile",
    change: { decideSettle: settle((settlement) => ({ ...settlement, spent: null })) }
  },
  {
    name: "a late answer takes the place of a newer one",
    rule: "rotate with grace, reuse ends the family",
    world: "a person connects anew meanwhile",
    change: {
      afterPromotion: (_, promoted) => ({ current: promoted, spares: [] }),
      decideSettle: settle((settlement, { outcome }) =>
        outcome.kind === "granted" ? { ...settlement, placement: "promote" } : settlement
      )
    }
  },
  {
    name: "what a person put aside is used while the stored one may still come",
    rule: "rotate",
    world: "a person connects anew meanwhile",
    change: {
      decideClaim: (options) => {
        const spares = options.holding.spares.map(({ aside: _, ...one }) => one)
        return Life.decideClaim({ ...options, holding: { ...options.holding, spares } })
      }
    }
  },
  {
    name: "what comes late of a grant that was put aside is used like any other",
    rule: "rotate",
    world: "a person connects anew meanwhile",
    change: {
      decideSettle: settle((settlement) =>
        settlement.placement === "aside" ? { ...settlement, placement: "spare" } : settlement
      )
    }
  },
  {
    name: "who may still come with what was put aside is forgotten",
    rule: "rotate, reuse ends the family",
    world: "a person connects anew while somebody sleeps, and that is refused",
    change: {
      decideClaim: ({ state: { asideOpen: _, ...state }, ...options }) => Life.decideClaim({ ...options, state })
    }
  },
  {
    name: "a claim is given back that is another one's by now",
    rule: "rotate, reuse ends the family",
    world: "exchanges do not begin",
    change: { giveBack: (state) => (state.claim === null ? undefined : Life.giveBack(state, state.claim.term)) }
  },
  {
    name: "a claim whose exchange did not begin is kept",
    rule: "keep",
    world: "exchanges do not begin",
    change: { giveBack: () => undefined }
  },
  {
    name: "whose a grant is is not known once another provider is named",
    rule: "keep",
    world: "another provider is named, where a person connects, and the first one again",
    change: { namedAnew: (known) => known }
  },
  {
    name: "what cannot be opened stands in nobody's way",
    rule: "rotate, reuse ends the family",
    world: "a stored answer cannot be opened",
    change: { decideUnread: (options) => Life.decideUnread({ ...options, rules: rules.keep }) }
  },
  {
    name: "what cannot be opened is waited for though nothing was spent",
    rule: "keep",
    world: "a stored answer cannot be opened",
    change: { decideUnread: (options) => Life.decideUnread({ ...options, rules: rules.rotate }) }
  },
  {
    name: "claims are made while answers wait",
    rule: "rotate, reuse ends the family",
    world: "a process dies at any step, or sleeps",
    change: { decideClaim: (options) => Life.decideClaim({ ...options, unsettled: false }), checksClaim: false }
  }
]

const anew = ({ holding: { current } }: { readonly holding: Life.Holding }) => ({
  ...current,
  spent: false,
  byHand: true
})
const forgetting: ReadonlyArray<(typeof mutants)[number]> = [
  {
    name: "terms begin at 0 again when the rotation is named anew",
    rule: "rotate",
    world: "the rotation is taken away and named anew",
    change: {
      takenUp: (former) => ({ state: Life.newGrant, holding: { current: { ...anew(former), term: 0 }, spares: [] } })
    }
  },
  {
    name: "who is at an exchange is forgotten when the rotation is named anew",
    rule: "rotate, reuse ends the family",
    world: "the rotation is taken away and named anew",
    change: {
      takenUp: ({ holding, state }) => ({
        state: { ...Life.newGrant, term: state.term },
        holding: { current: { ...anew({ holding }), term: state.term }, spares: [] }
      })
    }
  }
]

describe("the model sees each safeguard", () => {
  it.each([...mutants, ...forgetting])(
    "without it a grant is lost: $name",
    { timeout: 120_000 },
    ({ change, name, rule, world }) => {
      const { violation } = explore(scenarioOf(rule, world), { ...production, ...change }, 400_000)
      expect(violation).not.toBeNull()
      process.stdout.write(`mutant: ${name}: ${violation!.length - 1} steps, then ${violation!.at(-1)}\n`)
    }
  )
})

describe("each decision by itself", () => {
  const held = (term: number, version = term): Life.HeldGrant => ({
    version,
    grant: `g${version}`,
    term,
    byHand: false,
    spent: false,
    refused: false
  })
  const claim: Life.Claim = { term: 3, holder: "one", spends: 2, at: 0, until: 10, beginBy: 5 }
  const state: Life.GrantState = { ...Life.newGrant, term: 3, claim }
  const holding: Life.Holding = { current: held(2), spares: [] }
  const ask = { claim, state, holding, unsettled: false, now: 1 }
  const idle: Life.GrantState = { ...Life.newGrant, term: 2 }

  it("an exchange begins in time, with its own claim, and while nothing waits to be settled", () => {
    assert.isTrue(Life.mayBegin(ask))
    assert.isFalse(Life.mayBegin({ ...ask, now: 5 }))
    assert.isFalse(Life.mayBegin({ ...ask, unsettled: true }))
    assert.isFalse(Life.mayBegin({ ...ask, state: { ...state, claim: { ...claim, term: 4 } } }))
    assert.isFalse(Life.mayBegin({ ...ask, state: { ...state, claim: null } }))
    assert.isFalse(Life.mayBegin({ ...ask, holding: { current: held(3), spares: [] } }))
  })

  it("a claim whose exchange did not begin is given back, by its term alone, and leaves nothing behind", () => {
    const given = Life.giveBack(state, 3)
    assert.deepStrictEqual(given, { ...state, claim: null, begunUpTo: 2 })
    assert.isUndefined(Life.giveBack(state, 2), "another one's")
    assert.isUndefined(Life.giveBack({ ...state, claim: null }, 3), "over")
    const claimed = (from: Life.GrantState) => {
      const decision = Life.decideClaim({
        state: from,
        rules: rules["rotate, reuse ends the family"],
        timing: { claimMs: 10, doubtMs: 100 },
        holding,
        unsettled: false,
        now: 1,
        holder: "two",
        asked: false
      })
      assert(decision._tag === "Claim")
      return decision
    }
    const next = claimed(given!)
    assert.deepInclude(next.claim, { term: 4, spends: 2, at: 1, until: 11 })
    assert.deepStrictEqual([next.state.doubtSince, next.state.open], [null, []])
    assert.isTrue(Life.wasGivenBack(next.state, 3), "told while the next one is under way")
    assert.isFalse(Life.wasGivenBack(next.state, 4))
    assert.isFalse(Life.wasGivenBack(next.state, 2))
    const again = Life.giveBack(next.state, 4)!
    assert.deepStrictEqual([again.term, again.begunUpTo, Life.wasGivenBack(again, 4)], [4, 2, true])
    // One that ran out may have begun.
    const ranOut = { ...next.state, claim: { ...next.claim, until: 1 } }
    assert.throws(() => claimed(ranOut))
    const { state: taken } = Life.decideClaim({
      ...{ rules: rules.keep, timing: { claimMs: 10, doubtMs: 100 }, holding, unsettled: false, now: 1, holder: "one" },
      state: ranOut,
      asked: true
    }) as Extract<Life.ClaimDecision, { readonly _tag: "Claim" }>
    assert.isFalse(Life.wasGivenBack(taken, 4))
  })

  it("an answer that cannot be opened ends its exchange, and is doubt where that spent something; else it is put aside", () => {
    const spending = rules["rotate, reuse ends the family"]
    const decide = (from: Life.GrantState, terms: ReadonlyArray<number>, of: Life.GrantRules) =>
      Life.decideUnread({ state: from, rules: of, terms, now: 7 })
    const ofClaim = { ...state, claim: { ...claim, at: 1 }, begunUpTo: 2 }
    const ended = { ...ofClaim, claim: null, begunUpTo: undefined }
    assert.deepStrictEqual(decide(ofClaim, [1, 3], spending), { state: { ...ended, doubtSince: 1 }, putsAside: false })
    assert.deepStrictEqual(decide(ofClaim, [3], rules.keep), { state: ended, putsAside: true })
    // Of another term than the one that somebody is at.
    assert.deepStrictEqual(decide(ofClaim, [1], spending), { state: { ...ofClaim, doubtSince: 7 }, putsAside: false })
    assert.deepStrictEqual(decide(ofClaim, [4], rules.keep), { state: ofClaim, putsAside: true })
    const doubted = { ...idle, doubtSince: 2 }
    assert.deepStrictEqual(decide(doubted, [2], spending).state, doubted)
  })

  it("what comes late of the last exchange that began counts as the newest, though a claim was given back since", () => {
    const rule = rules["rotate, reuse ends the family"]
    const timing = { claimMs: 10, doubtMs: 1_000 }
    // Term 3 ran out; term 4 was claimed, and given back when its answer was there.
    const open = [{ term: 3, at: 0 }]
    const four = { ...claim, term: 4, at: 20, until: 30 }
    const given = Life.giveBack({ ...state, term: 4, claim: four, doubtSince: 0, open, attempts: 1 }, 4)!
    const settled = (outcome: Life.Outcome, from: Life.GrantState) =>
      Life.decideSettle({
        state: from,
        rules: rule,
        timing,
        holding,
        answer: { term: 3, spends: 2, spent: "g2", claimedAt: 0, outcome },
        now: 25
      })
    const granted = settled({ kind: "granted", grant: "g3" }, given)
    assert.strictEqual(granted.placement, "promote")
    assert.deepStrictEqual([granted.state.doubtSince, granted.state.attempts, granted.state.open], [null, 0, []])
    assert.strictEqual(settled({ kind: "transient", retryAt: 40 }, given).state.nextAttemptAt, 40)
    // While the claim is in force it may bring more.
    const under = settled({ kind: "granted", grant: "g3" }, { ...given, claim: four })
    assert.deepStrictEqual([under.state.doubtSince, under.state.claim], [0, four])
    // Settled: from now on it is the last that began.
    const five = settled({ kind: "granted", grant: "g3" }, { ...given, term: 3, claim })
    assert.deepStrictEqual([five.state.claim, five.state.begunUpTo], [null, undefined])
  })

  it("a grant that a person put aside waits until nothing more can come of the stored one, then is used", () => {
    const stored = Life.afterHand(idle, holding, { version: 3, grant: "new" })
    assert.deepStrictEqual(stored.holding.spares, [{ ...held(2), aside: true }])
    const copied = Life.afterHand(stored.state, stored.holding, { version: 4, grant: "new" })
    assert.deepStrictEqual(
      copied.holding.spares.map(({ aside, grant }) => [grant, aside]),
      [
        ["new", undefined],
        ["g2", true]
      ]
    )
    const back = Life.afterHand(stored.state, stored.holding, { version: 4, grant: "g2" })
    assert.deepStrictEqual(
      back.holding.spares.map(({ aside, grant }) => [grant, aside]),
      [
        ["new", true],
        ["g2", true]
      ]
    )
    const refused = Life.marked(copied.holding, { spent: null, refused: "new" })
    const decide = (state: Life.GrantState, now: number) =>
      Life.decideClaim({
        state,
        rules: rules.rotate,
        timing: { claimMs: 10, doubtMs: 100 },
        holding: refused,
        unsettled: false,
        now,
        holder: "two",
        asked: true
      })
    const ranOut = { ...idle, open: [{ term: 2, at: 0 }] }
    const { _tag, ...wait } = decide(ranOut, 99)
    assert.deepStrictEqual([_tag, "until" in wait && wait.until], ["Wait", 100])
    assert.strictEqual(decide({ ...idle, doubtSince: 0 }, 99)._tag, "Wait")
    for (const [state, now] of [[ranOut, 100] as const, [idle, 0] as const]) {
      const decision = decide(state, now)
      assert.strictEqual(decision._tag === "Claim" && decision.spends.grant, "g2")
    }
  })

  it("who may still come with an answer of what was put aside is waited for before that is used, but for the grace", () => {
    const slept = { ...idle, doubtSince: 5, open: [{ term: 2, at: 5 }] }
    const stored = Life.afterHand(slept, holding, { version: 3, grant: "new" })
    assert.deepInclude(stored.state, { doubtSince: null, open: [], asideOpen: [{ term: 2, at: 5 }] })
    const decide = (state: Life.GrantState, now: number, rule: Rules, refused = "new") =>
      Life.decideClaim({
        state,
        rules: rules[rule],
        timing: { claimMs: 10, doubtMs: 100 },
        holding: Life.marked(stored.holding, { spent: null, refused }),
        unsettled: false,
        now,
        holder: "two",
        asked: true
      })
    const dangerous = "rotate, reuse ends the family"
    const waits = decide(stored.state, 104, dangerous)
    assert.deepInclude(waits, { _tag: "Wait", until: 105, inDoubt: true })
    // What a person has stored does not wait for it.
    assert.deepInclude(decide(stored.state, 6, dangerous, "none"), { _tag: "Claim" })
    const over = decide(stored.state, 105, dangerous)
    assert(over._tag === "Claim")
    assert.deepStrictEqual([over.spends.grant, over.state.asideOpen, over.claim.beginBy], ["g2", [], 115])
    // A spent one still answers so long, and no exchange begins after that.
    const grace = decide(stored.state, 8, "rotate with grace, reuse ends the family")
    assert(grace._tag === "Claim")
    assert.deepStrictEqual([grace.spends.grant, grace.claim.beginBy], ["g2", 9])
    assert.strictEqual(decide(stored.state, 9, "rotate with grace, reuse ends the family")._tag, "Wait")
    assert.strictEqual(decide(stored.state, 6, "rotate")._tag, "Claim", "a refusal harms nothing")
    // An answer of it has come.
    const settled = Life.decideSettle({
      ...{ state: stored.state, rules: rules[dangerous], timing: { claimMs: 10, doubtMs: 100 } },
      ...{ holding: stored.holding, now: 9 },
      answer: { term: 2, spends: 2, spent: "g2", claimedAt: 5, outcome: { kind: "granted", grant: "next" } }
    })
    assert.deepStrictEqual([settled.placement, settled.state.asideOpen], ["aside", []])
    // Put aside a second time, and stored again: what is not known to be over is in doubt.
    const twice = Life.afterHand({ ...stored.state, open: [{ term: 4, at: 7 }] }, stored.holding, {
      version: 4,
      grant: "newest"
    })
    const both = [
      { term: 2, at: 5 },
      { term: 4, at: 7 }
    ]
    assert.deepInclude(twice.state, { open: [], asideOpen: both })
    const back = Life.afterHand(twice.state, twice.holding, { version: 5, grant: "g2" })
    assert.deepInclude(back.state, { doubtSince: 5, open: both, asideOpen: both })
    const again = Life.afterHand(back.state, back.holding, { version: 6, grant: "other" })
    assert.deepStrictEqual(again.state.asideOpen, both, "each once")
  })

  it("what comes late of a grant that a person put aside is put aside, too; its own grant's is not", () => {
    const stored = Life.afterHand({ ...Life.newGrant, term: 2 }, holding, { version: 3, grant: "new" })
    const now: Life.Holding = { current: held(4), spares: [stored.holding.current] }
    const settled = (term: number, spent: string, state: Life.GrantState) =>
      Life.decideSettle({
        state: { ...state, term: 4 },
        rules: rules.rotate,
        timing: { claimMs: 10, doubtMs: 100 },
        holding: now,
        answer: { term, spends: 1, spent, claimedAt: 0, outcome: { kind: "granted", grant: "late" } },
        now: 1
      })
    assert.strictEqual(settled(2, "g2", stored.state).placement, "aside")
    assert.strictEqual(settled(3, "new", stored.state).placement, "spare")
    assert.strictEqual(settled(2, "g4", stored.state).placement, "spare", "what is handed out was stored again")
    assert.strictEqual(settled(2, "g2", Life.newGrant).placement, "spare")
    const again = Life.afterHand(stored.state, stored.holding, { version: 5, grant: "new" })
    assert.strictEqual(again.state.asideUpTo, 2, "the same one stored again puts nothing aside")
  })

  it("what comes of a successor while a copy of what is handed out is stored is no other grant's", () => {
    // The first copy was stored while its grant was exchanged, so the successor is kept and not handed out.
    const kept: Life.Holding = {
      current: { ...held(1), byHand: true, spent: true },
      spares: [{ ...held(2), term: 1, version: 2 }]
    }
    const settled = (state: Life.GrantState, holding: Life.Holding, term: number) =>
      Life.decideSettle({
        state,
        rules: rules["rotate, reuse ends the family"],
        timing: { claimMs: 10, doubtMs: 100 },
        holding,
        answer: { term, spends: 2, spent: "g2", claimedAt: 0, outcome: { kind: "granted", grant: "g3" } },
        now: 1
      }).placement
    const once = Life.afterHand({ ...Life.newGrant, term: 2 }, kept, { version: 3, grant: "g1" })
    assert.isUndefined(once.holding.spares.find(({ aside }) => aside === true))
    assert.strictEqual(settled(once.state, once.holding, 2), "spare")
    // Of a row that does not say what was put aside.
    const { asideUpTo: _, ...unsaid } = once.state
    assert.strictEqual(settled(unsaid, once.holding, 2), "aside")
  })

  it("what comes of a grant that was put aside changes nothing, unless a person is asked for already", () => {
    const stored = Life.afterHand(idle, holding, { version: 3, grant: "new" })
    const decide = (change: Partial<Life.GrantState>, grant: string, retryAt?: number) =>
      Life.decideSettle({
        state: { ...stored.state, doubtSince: 7, attempts: 2, nextAttemptAt: 40, ...change },
        rules: rules.rotate,
        timing: { claimMs: 10, doubtMs: 100 },
        holding: stored.holding,
        answer: { term: 2, spends: 2, spent: "g2", claimedAt: 0, outcome: { kind: "granted", grant, retryAt } },
        now: 30
      })
    const seen = ({ placement, spent, state }: Life.Settlement) => [
      placement,
      spent,
      state.isFinal,
      state.doubtSince,
      state.attempts,
      state.nextAttemptAt
    ]
    assert.deepStrictEqual(seen(decide({}, "next", 50)), ["aside", "g2", false, 7, 2, 40])
    assert.deepStrictEqual(seen(decide({ isFinal: true }, "next")), ["aside", "g2", false, null, 2, 30])
    assert.deepStrictEqual(seen(decide({ isFinal: true }, "next", 50)), ["aside", "g2", false, null, 2, 50])
    // Nothing new in it.
    assert.deepStrictEqual(seen(decide({}, "new")), ["superseded", "g2", false, 7, 2, 40])
  })

  describe("where another provider is named", () => {
    const [a, b] = [{ provider: "a" }, { provider: "b" }]
    const ownA = { provider: "a", own: true }
    const ofBoth: Life.Holding = { current: held(2), spares: [held(1)] }
    const namedB = Life.ofNamed(ofBoth, a, b)
    const storedB = Life.afterHand(idle, namedB, { version: 3, grant: "new" })
    const refusal = (grant: string): Life.Settlement => ({
      state: idle,
      placement: "none",
      spent: null,
      refused: grant
    })

    it("what is handed out may be sent to it until another is stored, and nothing else of the former one's", () => {
      assert.strictEqual(Life.spendable(namedB)?.grant, "g2")
      assert.isUndefined(Life.spendable(Life.marked(namedB, refusal("g2"))))
      assert.strictEqual(Life.spendable(storedB.holding)?.grant, "new")
      const refused = Life.marked(storedB.holding, refusal("new"))
      assert.isUndefined(Life.spendable(refused))
      assert.strictEqual(Life.spendable(Life.ofNamed(refused, b, a))?.grant, "g2", "named again")
      const decision = Life.decideClaim({
        ...{ state: idle, rules: rules.rotate, timing: { claimMs: 10, doubtMs: 100 }, holding: refused },
        ...{ unsettled: false, now: 1, holder: "one", asked: true }
      })
      assert.strictEqual(decision._tag, "ReconnectNeeded")
      const answer = { term: 3, spends: 3, spent: "new", claimedAt: 0, outcome: { kind: "refused" } } as const
      const settled = Life.decideSettle({
        ...{ state: { ...storedB.state, term: 3 }, rules: rules.rotate, timing: { claimMs: 10, doubtMs: 100 } },
        ...{ holding: storedB.holding, answer, now: 1 }
      })
      assert.isTrue(settled.state.isFinal, "what is the former one's does not count as left")
    })

    it("what it refuses of the former one's is not refused there", () => {
      const refused = Life.marked(namedB, refusal("g2"))
      assert.deepStrictEqual([refused.current.refused, refused.current.astray], [false, true])
      const again = Life.namedAnew({ state: { ...idle, isFinal: true }, holding: refused }, b, a)
      assert.strictEqual(Life.spendable(again.holding)?.grant, "g2")
      assert.isFalse(again.state.isFinal)
      assert.isTrue(Life.marked(namedB, refusal("g2"), a).current.refused, "its own has refused it late")
      const late = Life.marked(ofBoth, refusal("g2"), b).current
      assert.deepStrictEqual([late.refused, late.astray], [false, undefined], "the other one has, late")
      const nothing = Life.marked(ofBoth, refusal("g2"))
      const final = { state: { ...idle, isFinal: true }, holding: { ...nothing, spares: [] } }
      assert.isTrue(Life.namedAnew(final, a, b).state.isFinal)
    })

    it("what is held says whose it is, and loses that where its own is named; one of that name may be the tenant's own by then", () => {
      const owners = ({ current, spares }: Life.Holding) => [current, ...spares].map(({ of }) => of)
      assert.deepStrictEqual(owners(namedB), [a, a])
      assert.deepStrictEqual(owners(storedB.holding), [undefined, a, a])
      assert.deepStrictEqual(owners(Life.ofNamed(storedB.holding, b, a)), [b, undefined, undefined])
      assert.deepStrictEqual(owners(Life.ofNamed(storedB.holding, b, ownA)), [b, undefined, undefined])
      assert.deepStrictEqual(owners(Life.ofNamed(storedB.holding, b, { provider: "c" })), [b, a, a])
      assert.strictEqual(Life.ofNamed(ofBoth, a, ownA), ofBoth)
      assert.deepStrictEqual(owners(Life.ofNamed(ofBoth, ownA, a)), [ownA, ownA])
    })

    it("what lives of the former one's stays through refreshes; what the other one took is that one's", () => {
      const spent: Life.Holding = Life.marked(storedB.holding, { refused: null, spent: "g1" })
      const next = Life.afterPromotion(spent, held(4), "new")
      assert.deepStrictEqual(
        next.spares.map(({ grant, of }) => [grant, of]),
        [
          ["new", undefined],
          ["g2", a]
        ]
      )
      const taken = Life.afterPromotion(namedB, held(4), "g2")
      assert.deepStrictEqual(
        taken.spares.map(({ grant, of }) => [grant, of]),
        [
          ["g2", undefined],
          ["g1", a]
        ]
      )
      const late = Life.afterPromotion(namedB, { ...held(4), of: a }, "g2")
      assert.deepStrictEqual(late.spares[0]?.of, a)
      assert.strictEqual(Life.spendable(late)?.grant, "g4")
    })
  })

  it("a grant of the term that is current, or of an older one, is a spare; a newer one is promoted", () => {
    const answer = (term: number): Life.Answer => ({
      term,
      spends: 1,
      spent: "g1",
      claimedAt: 0,
      outcome: { kind: "granted", grant: "new" }
    })
    assert.deepStrictEqual(
      [1, 2, 3].map((term) => Life.placementOf(holding, answer(term), idle)),
      ["spare", "spare", "promote"]
    )
  })
})
