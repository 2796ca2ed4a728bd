// Verifies R-REV-3, R-REV-6.
/**
 * P1 to P4 and P10 on real processes: no 200 after an answered revocation, no answered change lost,
 * every change announced once and in order, no request without an answer, while replicas, cables, the
 * bus and MariaDB fail. `SEED=…` repeats the choices; how processes interleave is chance. The long runs
 * are `npm run chaos`.
 */
import { afterEach, assert, describe, it } from "vitest"
import { seededRandom } from "../support/seededRandom.ts"
import { type RoundReport, runRound, shown } from "./round.ts"
import { type Ground, startGround, startWorld, type World } from "./World.ts"

const rate = 2_500
let ground: Ground | undefined
let world: World | undefined

afterEach(async () => {
  await world?.stop()
  await ground?.stop()
  world = undefined
  ground = undefined
})

const run = async (replicas: number, busServers: 1 | 3, milliseconds: number): Promise<RoundReport> => {
  const { random } = seededRandom(`${replicas} replicas, ${busServers} bus server(s)`)
  ground = await startGround(busServers)
  world = await startWorld(ground, { replicas })
  const report = await runRound({ world, random, milliseconds, rate })
  console.log(shown(report))
  return report
}

describe("under a nemesis", () => {
  it("two replicas on one bus server keep what they answered", async () => {
    const report = await run(2, 1, 20_000)
    assert.deepStrictEqual(report.violations, [])
    assert.isAbove(report.revocations, 0)
    assert.isAbove(report.decisive, 0)
  })

  it("three replicas on a cluster of three bus servers keep what they answered", async () => {
    const report = await run(3, 3, 20_000)
    assert.deepStrictEqual(report.violations, [])
    assert.isAbove(report.revocations, 0)
    assert.isAbove(report.decisive, 0)
  })
})
