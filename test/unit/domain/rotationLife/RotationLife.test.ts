// Verifies R-ROT-1, R-ROT-2.
/**
 * Every interleaving of two processes, one database and one system; then each safeguard taken away, and what
 * follows of it found.
 */
import { assert, describe, expect, it } from "vitest"
import * as Life from "../../../../src/domain/RotationLife.ts"
import { assertAlike } from "../../../support/likeness.ts"
import { explore } from "./explore.ts"
import { initial, names, type Protocol, production, type Scenario, stepsOf, violationOf } from "./model.ts"

const nothing = {
  ticks: 6,
  rotations: 1,
  crashes: 0,
  lost: 0,
  refusals: 0,
  deaf: 0,
  hands: 0,
  forgets: 0,
  hindrances: 0
} as const
const worlds = {
  "a process dies at any step, or sleeps": { ...nothing, crashes: 2 },
  "answers are lost on the wire": { ...nothing, lost: 2, ticks: 4 },
  "a step is refused for good": { ...nothing, refusals: 1, crashes: 1, ticks: 4 },
  "a system only says that it did": { ...nothing, deaf: 1, crashes: 1, ticks: 4 },
  "a person stores another secret meanwhile": { ...nothing, hands: 1, crashes: 1, ticks: 4 },
  "a person ends the rotations meanwhile": { ...nothing, forgets: 1, crashes: 1, lost: 1, ticks: 4 },
  "two rotations follow each other": { ...nothing, rotations: 2, ticks: 4 },
  "steps do not begin": { ...nothing, hindrances: 2, ticks: 4 },
  "steps do not begin, and a process dies": { ...nothing, hindrances: 1, crashes: 1, ticks: 4 },
  "steps do not begin, and a person stores another secret": { ...nothing, hindrances: 1, hands: 1, ticks: 4 },
  "steps do not begin, and another rotation follows": {
    ...nothing,
    hindrances: 1,
    rotations: 2,
    ticks: 4
  },
  "one is refused, another follows": { ...nothing, rotations: 2, refusals: 1, ticks: 4 }
} as const satisfies Record<string, Omit<Scenario, "name">>
type World = keyof typeof worlds
const scenarioOf = (world: World): Scenario => ({ name: world, ...worlds[world] })
const statesMax = 600_000

describe("readers are never without a secret that works, and nothing works that is not held", () => {
  it.each(Object.keys(worlds) as ReadonlyArray<World>)("%s", { timeout: 300_000 }, (world) => {
    const { cleanStates, cut, states, switchedStates, violation } = explore(scenarioOf(world), production, statesMax)
    assert.strictEqual(violation?.join("\n") ?? null, null)
    assert.isFalse(cut, "the walk is complete")
    assert.isAbove(switchedStates, 0)
    assert.isAbove(cleanStates, 0)
    process.stdout.write(`rotations: ${world}: ${states} states\n`)
  })
})

it("the two processes are alike", () => {
  const everything = { ...nothing, crashes: 1, lost: 1, refusals: 1, deaf: 1, hands: 1, forgets: 1, hindrances: 1 }
  const scenario: Scenario = { name: "everything", ...everything, rotations: 2 }
  const steps = (state: ReturnType<typeof initial>) => stepsOf(production, state)
  assertAlike(initial(scenario), names, steps, (state) => violationOf(scenario, state), 1_000)
})

const mutants: ReadonlyArray<{
  readonly what: string
  readonly protocol: Partial<Protocol>
  readonly world: World
  readonly breaks: string
}> = [
  {
    what: "the new secret is not kept before it is set",
    protocol: { keepsPending: false },
    world: "a process dies at any step, or sleeps",
    breaks: "a secret works at the system that nobody here holds"
  },
  {
    what: "the new secret is not tried before it is handed out",
    protocol: { tests: false },
    world: "a system only says that it did",
    breaks: "what is handed out does not work at the system"
  },
  {
    what: "an old secret counts as dead without being refused",
    protocol: { confirms: false },
    world: "a system only says that it did",
    breaks: "a secret works at the system that nobody here holds"
  },
  {
    what: "the system does what comes after the claim's end",
    protocol: { fencesSystem: false },
    world: "one is refused, another follows",
    breaks: "a secret works at the system that nobody here holds"
  },
  {
    what: "the users in use are locked like any other",
    protocol: { takingAway: () => "lock" },
    world: "a person stores another secret meanwhile",
    breaks: "what is handed out does not work at the system"
  },
  {
    what: "the old secret is promised to nobody",
    protocol: { decideStep: (options) => Life.decideStep({ ...options, overlapMs: 0 }) },
    world: "two rotations follow each other",
    breaks: "an old secret was taken away before its time"
  },
  {
    what: "what was set before a refusal is forgotten",
    protocol: {
      decideSettle: (options) => {
        const decided = Life.decideSettle(options)
        if (decided._tag !== "Settled" || !decided.failedForGood) return decided
        return { ...decided, state: { ...decided.state, cleanups: options.state.cleanups } }
      }
    },
    world: "a step is refused for good",
    breaks: "a live secret is on nobody's list"
  },
  {
    what: "a later claim does not keep an earlier one from being believed",
    protocol: {
      decideSettle: (options) => {
        const term = options.state.claim?.term ?? options.term
        const claim = options.state.claim ?? { term, holder: "", until: 0 }
        const { work } = options
        const underWay =
          work.kind === "step" ? { generation: work.generation, step: work.step, overlapMs: 0 } : options.state.underWay
        return Life.decideSettle({ ...options, term, state: { ...options.state, claim, underWay } })
      }
    },
    world: "a step is refused for good",
    breaks: "an old secret was taken away before its time"
  },
  {
    what: "a rotation is forgotten while its new secret may be set",
    protocol: { mayForget: () => true },
    world: "a person ends the rotations meanwhile",
    breaks: "a secret works at the system that nobody here holds"
  },
  {
    what: "a claim is given back that is another one's by now",
    protocol: { giveBack: (state) => (state.claim === null ? undefined : Life.giveBack(state, state.claim.term)) },
    world: "steps do not begin, and another rotation follows",
    breaks: "a secret works at the system that nobody here holds"
  },
  {
    what: "a claim whose step did not begin is kept",
    protocol: { giveBack: () => undefined },
    world: "steps do not begin",
    breaks: "all wait for a claim that nobody has"
  },
  {
    what: "two are at work at once",
    protocol: {
      decideStep: (options) => Life.decideStep({ ...options, state: { ...options.state, claim: null } }),
      fencesSystem: false
    },
    world: "one is refused, another follows",
    breaks: "a secret works at the system that nobody here holds"
  }
]

describe("each safeguard is needed", () => {
  it.each(mutants)("$what", { timeout: 300_000 }, ({ breaks, protocol, world }) => {
    const { violation } = explore(scenarioOf(world), { ...production, ...protocol }, statesMax)
    assert.isNotNull(violation, "nothing broke")
    expect(violation!.at(-1)).toBe(breaks)
  })
})
