// Verifies R-REF-20.
/**
 * The books on real processes: in a build without the claim grants are lost, and counted. `SEED=…` repeats the choices;
 * the other safeguards are tried by `npm run grants -- --mutant=NAME`.
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
  // When one is lost is chance: it is waited for.
  it("lose grants when the claim is off", { timeout: 1_500_000 }, async () => {
    const { random } = seededRandom("grants without a claim")
    const copy = makeGrantMutant(grantMutants.claim)
    const { focus } = grantMutants.claim
    const options = { ground, random, refreshes: 20_000, grants: 60, cwd: copy.path, focus, limitMs: 1_200_000 }
    const { lost, refreshes } = await run({ ...options, untilLost: true }).finally(copy.remove)
    console.log(`${lost} lost in ${refreshes} refreshes`)
    assert.isAbove(lost, 0)
  })
})
