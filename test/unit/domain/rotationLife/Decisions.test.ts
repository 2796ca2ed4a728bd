// Verifies R-ROT-1, R-ROT-4.
/** What the walks over two processes do not tell apart: until when somebody has to wait, by the decision itself. */
import { assert, describe, it } from "vitest"
import * as Life from "../../../../src/domain/RotationLife.ts"

const now = 1_000_000_000
const [hour, day] = [3_600_000, 86_400_000]
const idle: Life.Rotating = { ...Life.newRotating("crm", 7 * day, 0), generation: 3, nextRotationAt: now }
const cleanup = (version: number, over: Partial<Life.Cleanup>): Life.Cleanup => ({
  step: "retire",
  generation: version,
  version,
  since: 0,
  dueAt: now,
  attempts: 0,
  reason: null,
  ...over
})
const decide = (state: Life.Rotating, asked: Life.Asked | null) =>
  Life.decideStep({ state, now, holder: "one", claimMs: 60_000, overlapMs: hour, asked, isPaused: false })
const asked: Life.Asked = { overlapMs: null, workedAt: null }

describe("until when", () => {
  it("secrets are promised that were there before: until the last of them, should the clock have been put back", () => {
    const promised = [cleanup(1, { dueAt: now + 50 }), cleanup(2, { dueAt: now + 90 }), cleanup(3, { dueAt: now + 70 })]
    // What was tried in vain is promised to nobody.
    const state = { ...idle, cleanups: [...promised, cleanup(4, { attempts: 1, dueAt: now + 500 })] }
    assert.deepStrictEqual(decide(state, null), Life.ClaimDecision.Wait({ until: now + 90 }))
    assert.deepStrictEqual(decide(state, asked), Life.ClaimDecision.Refused({ why: "overlap", until: now + 90 }))
  })

  it("no further rotation is begun: until the first of too many old secrets can be tried, and not a time gone by", () => {
    const many = (dueAt: number) =>
      Array.from({ length: Life.cleanupsMax }, (_, at) => cleanup(at, { attempts: 1, dueAt: dueAt + at }))
    const refused = (dueAt: number) => decide({ ...idle, cleanups: many(dueAt) }, { ...asked, overlapMs: 0 })
    const pending = (until: number) => Life.ClaimDecision.Refused({ why: "retire_pending", until })
    assert.deepStrictEqual(refused(now + 30), pending(now + 30))
    const fewer = { ...idle, cleanups: many(now + 30).slice(1) }
    assert.strictEqual(decide(fewer, asked)._tag, "Claim")
    // Those that can be tried now are tried.
    const tried = refused(now - 5)
    assert.strictEqual(tried._tag === "Claim" && tried.work.kind === "cleanup" ? tried.work.version : null, 0)
  })

  it("what cannot be taken away for good is left alone: an hour at least", () => {
    const claim: Life.StepClaim = { term: 4, holder: "one", until: now + 60_000 }
    const state = { ...idle, term: 4, claim, cleanups: [cleanup(2, {})] }
    const work: Life.Work = { kind: "cleanup", step: "retire", generation: 2, version: 2 }
    const dueAfter = (permanent: boolean, retryAt: number) => {
      const outcome = { kind: "failed", permanent, reason: "unknown", retryAt } as const
      const settled = Life.decideSettle({ state, term: 4, work, outcome, currentVersion: 3, now })
      assert(settled._tag === "Settled")
      const [left] = settled.state.cleanups
      assert.deepInclude(left, { version: 2, attempts: 1, reason: "unknown" })
      return left?.dueAt
    }
    assert.strictEqual(dueAfter(false, now + 30), now + 30)
    assert.strictEqual(dueAfter(true, now + 30), now + hour)
    assert.strictEqual(dueAfter(true, now + 2 * hour), now + 2 * hour)
  })

  it("the next rotation waits where one was given up: its usual time, and a day at most", () => {
    const underWay: Life.UnderWay = { generation: 3, step: "set", overlapMs: 0 }
    const next = (everyMs: number) => Life.abandoned({ ...idle, everyMs, underWay }, now).nextRotationAt
    assert.deepStrictEqual([next(hour), next(7 * day)], [now + hour, now + day])
  })
})
