// Verifies R-REV-1, R-REV-2, R-REV-4.
import { randomInt } from "node:crypto"
import { describe, expect, it } from "vitest"
import { explore, wander } from "./explore.ts"
import { production } from "./model.ts"
import { mutants } from "./mutants.ts"
import { allFaults, scenarioNames, scenarioOf } from "./scenarios.ts"

/** Larger walks are for a person with time: `CM_MODEL_SCALE=2`. */
const scale = Number(process.env.CM_MODEL_SCALE ?? "1")
/** A walk that reaches this is not complete: at scale 1 that is a failure, beyond it the output says so. */
const statesMax = scale === 1 ? 500_000 : 16_000_000

describe("no 200 begins after an answered revocation", () => {
  it.each(scenarioNames)("in every state of: %s", { timeout: scale * 300_000 }, (name) => {
    const { answeredStates, cut, states, transitions, violation } = explore(
      scenarioOf(name, scale),
      production,
      statesMax
    )
    expect(violation?.join("\n") ?? null).toBeNull()
    expect(cut && scale === 1).toBe(false)
    expect(answeredStates).toBeGreaterThan(0)
    process.stdout.write(
      `model: ${name}: ${states} states, ${transitions} transitions, ${answeredStates} after an answer${cut ? ", not complete" : ""}\n`
    )
  })
})

describe("no 200 begins after an answered revocation, with every fault at once", () => {
  it("on random ways through three replicas and two tokens", () => {
    const seed = Number(process.env.CM_MODEL_SEED ?? randomInt(2 ** 31))
    process.stdout.write(`model: random ways with CM_MODEL_SEED=${seed}\n`)
    const { answeredWays, violation } = wander(allFaults, production, seed, scale * 1_500, 80)
    expect(violation?.join("\n") ?? null).toBeNull()
    expect(answeredWays).toBeGreaterThan(0)
  })
})

describe("the model sees each safeguard", () => {
  it.each(mutants)("catches: $name", ({ change, name, scenario, steps }) => {
    const { violation } = explore(scenarioOf(scenario, 1), { ...production, ...change }, statesMax)
    expect(violation).not.toBeNull()
    expect(violation!.length - 1).toBe(steps)
    process.stdout.write(`mutant: ${name}: ${violation!.length - 1} steps, then ${violation!.at(-1)}\n`)
  })
})
