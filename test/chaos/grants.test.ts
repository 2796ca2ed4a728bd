// Verifies R-REF-20, R-REF-21.
/**
 * P7 on real processes, short: three replicas that are killed, paused and cut off, a provider that loses and
 * spoils answers, people who interfere. No grant is lost that could be kept, and no secret is said
 * anywhere; and in a build without the claim grants are lost. `SEED=…` repeats the choices; the long run
 * is `npm run grants`.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { seededRandom } from "../support/seededRandom.ts"
import { grantMutants, makeGrantMutant } from "./grants/mutants.ts"
import { run } from "./grants/run.ts"
import { type Ground, startGround } from "./World.ts"

let ground: Ground
beforeAll(async () => {
  ground = await startGround(1, ["--innodb-flush-log-at-trx-commit=2"])
})
afterAll(async () => {
  await ground?.stop()
})

describe("refreshes under trouble", () => {
  it("lose no grant that could be kept, and say no secret", async () => {
    const { random } = seededRandom("grants")
    const { diedByThemselves, losses, secrets, ...figures } = await run({
      ground,
      random,
      refreshes: 300,
      grants: 60,
      restMs: 4_000,
      limitMs: 240_000
    })
    console.log(JSON.stringify(figures))
    assert.deepStrictEqual([losses, secrets, diedByThemselves], [[], [], 0])
    assert.isAtLeast(figures.refreshes, 300)
    assert.isAbove(Object.values(figures.troubles).length, 0)
  })

  it("lose grants when the claim is off", async () => {
    const { random } = seededRandom("grants without a claim")
    const copy = makeGrantMutant(grantMutants.claim)
    const { focus } = grantMutants.claim
    const options = { ground, random, refreshes: 5_000, grants: 60, cwd: copy.path, focus, limitMs: 240_000 }
    const { lost, refreshes } = await run({ ...options, untilLost: true }).finally(copy.remove)
    console.log(`${lost} lost in ${refreshes} refreshes`)
    assert.isAbove(lost, 0)
  })

  it("would be tried without each of the safeguards: every mutant's text stands in the source, once", () => {
    for (const mutant of Object.values(grantMutants)) makeGrantMutant(mutant).remove()
  })
})
