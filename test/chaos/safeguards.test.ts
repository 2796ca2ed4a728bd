/**
 * The checker on real processes: with the whole protocol a scenario is clean, and with one safeguard off
 * it finds stale 200s in the very same scenario. The other mutants run with `npm run chaos -- --mutants`.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { catchMutant, makeMutant, mutants } from "./mutants.ts"
import { playScenario, scenarioEnvironment, scenarioNames } from "./scenarios.ts"
import { allHold, type Ground, startGround, startWorld, type World } from "./World.ts"

let ground: Ground
let world: World

beforeAll(async () => {
  ground = await startGround(1)
})
afterAll(async () => {
  await world?.stop()
  await ground?.stop()
})

describe("with every safeguard", () => {
  it("no scenario shows anything wrong, and each asks after rights that are gone", async () => {
    world = await startWorld(ground, { replicas: 2, env: scenarioEnvironment })
    await allHold(world)
    for (const name of scenarioNames) {
      const { decisive, violations } = await playScenario(name, world)
      assert.deepStrictEqual(violations, [], name)
      assert.isAbove(decisive, 0, name)
    }
  })
})

describe("with one safeguard off", () => {
  it.each(mutants.filter(({ isQuick }) => isQuick))("the checker sees that $name", async (mutant) => {
    assert.isAbove(await catchMutant(mutant, ground), 0)
  })

  it("every mutant's text stands in the source, once", () => {
    for (const mutant of mutants) makeMutant(mutant).remove()
  })
})
