// Verifies R-BUS-35.
/**
 * P6 on the shipped bus: whatever is sent, nobody else is harmed. `npm run hostile -- --minutes=10` runs the same for
 * longer; both print a seed and take one.
 */
import { afterAll, assert, beforeAll, expect, inject, it } from "vitest"
import { type HostileWorld, hostileRun, startHostileWorld } from "../../support/hostileRun.ts"
import { seededRandom } from "../../support/seededRandom.ts"

/** Without a time given: as many volleys as a busy machine lets there be in 20 s, however long they take. */
const volleysMax = process.env.CM_HOSTILE_SECONDS === undefined ? 12 : Number.POSITIVE_INFINITY
const seconds = Number(process.env.CM_HOSTILE_SECONDS ?? "120")
const { random, seed } = seededRandom("hostile run")
let world: HostileWorld

/** What the service itself said last, for whoever looks for the cause. */
const lastWarnings = (output: string): string =>
  output
    .split("\n")
    .filter((line) => /"level":"(?:warn|error|fatal)"/u.test(line))
    .slice(-20)
    .join("\n")

beforeAll(async () => {
  world = await startHostileWorld(inject("databaseUrl"))
})
afterAll(() => world?.stop())

it("volleys of what should not be harm no observer", { timeout: (seconds + 600) * 1_000 }, async () => {
  const said = (line: string) => process.stdout.write(`${line}\n`)
  const { answers, observed, volleys, wrong } = await hostileRun(world, { seconds, volleysMax, random, said })
  if (wrong.length > 0) said(lastWarnings(world.service.output()))
  expect(wrong.slice(0, 5), `SEED=${seed}`).toEqual([])
  assert.isAbove(volleys, 0)
  assert.isAbove(answers, 0)
  for (const [what, times] of Object.entries(observed)) assert.isAbove(times, 0, what)
})
