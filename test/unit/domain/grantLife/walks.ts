/** The walks through the life of a grant: every world under every provider's rules. */
import { assert, describe, it } from "vitest"
import type * as Life from "../../../../src/domain/GrantLife.ts"
import { explore } from "./explore.ts"
import { production, type Scenario } from "./model.ts"

export const rules = {
  keep: { refreshTokens: "keep", graceMs: 0, reuse: "refuse" },
  rotate: { refreshTokens: "rotate", graceMs: 0, reuse: "refuse" },
  "rotate, reuse ends the family": { refreshTokens: "rotate", graceMs: 0, reuse: "revoke_family" },
  "rotate, reuse gives the same successor": { refreshTokens: "rotate", graceMs: 0, reuse: "same_successor" },
  "rotate with grace": { refreshTokens: "rotate_with_grace", graceMs: 4, reuse: "refuse" },
  "rotate with grace, reuse ends the family": { refreshTokens: "rotate_with_grace", graceMs: 4, reuse: "revoke_family" }
} as const satisfies Record<string, Life.GrantRules>
export type Rules = keyof typeof rules
/** More than half of all states. */
const longWalks: ReadonlyArray<Rules> = ["rotate", "rotate with grace"]

const nothing = {
  ticks: 5,
  wanted: 2,
  lost: 0,
  unreached: 0,
  crashes: 0,
  hands: 0,
  hand: "same",
  forgets: 0,
  interrupts: 0,
  hindrances: 0,
  removals: 0,
  spoils: 0,
  names: 0,
  ends: 0
} as const
const worlds = {
  "a process dies at any step, or sleeps": { ...nothing, crashes: 1 },
  "an answer is lost on the wire": { ...nothing, lost: 1, ticks: 4 },
  "a request does not arrive": { ...nothing, unreached: 1, ticks: 4 },
  "the same grant is stored by hand meanwhile": { ...nothing, hands: 1, ticks: 4 },
  "a copy of before is stored by hand meanwhile": { ...nothing, wanted: 3, hands: 1, hand: "older", ticks: 4 },
  "the same grant is stored by hand twice": { ...nothing, wanted: 3, hands: 2, ticks: 3 },
  "a person connects anew meanwhile": { ...nothing, wanted: 3, hands: 1, hand: "new", ticks: 4 },
  "a person connects anew, and an answer is lost": { ...nothing, hands: 1, hand: "new", lost: 1, ticks: 4 },
  "a person connects anew, and the provider forgets": {
    ...nothing,
    hands: 1,
    hand: "new",
    forgets: 1,
    wanted: 4,
    ticks: 2
  },
  "a person connects anew while somebody sleeps, and that is refused": {
    ...nothing,
    wanted: 3,
    hands: 1,
    hand: "new",
    ends: 1,
    ticks: 2
  },
  "the provider forgets what it answered": { ...nothing, forgets: 1, ticks: 4 },
  "callers go away": { ...nothing, interrupts: 2, ticks: 3 },
  "exchanges do not begin": { ...nothing, hindrances: 2 },
  "exchanges do not begin, and a process dies": { ...nothing, hindrances: 1, crashes: 1, ticks: 4 },
  "exchanges do not begin, and a person connects anew": { ...nothing, hindrances: 1, hands: 1, hand: "new", ticks: 4 },
  "the rotation is taken away and named anew": { ...nothing, wanted: 3, removals: 2 },
  "another provider is named, where a person connects, and the first one again": {
    ...nothing,
    wanted: 4,
    hands: 1,
    hand: "new",
    names: 2,
    ticks: 1
  },
  "a stored answer cannot be opened": { ...nothing, spoils: 2 },
  "a stored answer cannot be opened, and exchanges do not begin": { ...nothing, spoils: 1, hindrances: 1, ticks: 4 }
} as const satisfies Record<string, Omit<Scenario, "name" | "rules">>
export type World = keyof typeof worlds

export const scenarioOf = (rule: Rules, world: World): Scenario => ({
  name: `${rule}: ${world}`,
  rules: rules[rule],
  ...worlds[world]
})
/** Larger walks are for a person with time: `CM_MODEL_SCALE=2` adds time, refreshes and faults. */
const scale = Number(process.env.CM_MODEL_SCALE ?? "1")
const larger = (scenario: Scenario): Scenario =>
  scale === 1
    ? scenario
    : { ...scenario, ticks: scenario.ticks + 1, lost: scenario.lost + 1, crashes: scenario.crashes + 1 }
const statesMax = scale === 1 ? 400_000 : 5_000_000

/** Loss that nobody can prevent: the provider takes no spent grant, and its only answer is gone. */
const mayBeExcused = (rule: Rules, world: World): boolean =>
  rule.startsWith("rotate") &&
  rule !== "rotate, reuse gives the same successor" &&
  [
    "a process dies at any step, or sleeps",
    "an answer is lost on the wire",
    "exchanges do not begin, and a process dies"
  ].includes(world)

/** Every world under the rules with the longest walks, or under all others: two files, of which each takes about as long. */
export const walkAll = (long: boolean): void => {
  describe("no grant is lost that could be kept", () => {
    const all = (Object.keys(rules) as ReadonlyArray<Rules>)
      .filter((rule) => longWalks.includes(rule) === long)
      .flatMap((rule) => (Object.keys(worlds) as ReadonlyArray<World>).map((world) => ({ rule, world })))
    it.each(all)("$rule: $world", { timeout: scale * 300_000 }, ({ rule, world }) => {
      const { cut, excusedStates, refreshedStates, states, violation } = explore(
        larger(scenarioOf(rule, world)),
        production,
        statesMax
      )
      assert.strictEqual(violation?.join("\n") ?? null, null)
      assert.isFalse(cut && scale === 1, "the walk is complete")
      assert.isAbove(refreshedStates, 0)
      const slept = rule.endsWith("ends the family") || world.includes("a person connects anew")
      if (scale === 1 && !mayBeExcused(rule, world) && !slept) assert.strictEqual(excusedStates, 0)
      process.stdout.write(
        `grants: ${rule}: ${world}: ${states} states, ${excusedStates} after a loss nobody can prevent\n`
      )
    })
  })
}
