// Verifies R-REF-10, R-REF-11, R-REF-12, R-REF-22.
import { assert, describe, it } from "vitest"
import type { Claim, GrantState, HeldGrant, Holding } from "../../../src/domain/Grant.ts"
import {
  bounded,
  dueAt,
  newRefresh,
  noticedBefore,
  type Refresh,
  refreshIsDue,
  shownRefreshState
} from "../../../src/domain/Refresh.ts"

const now = 1_800_000_000_000
const claim: Claim = {
  term: 1,
  holder: "one",
  spends: 1,
  at: now - 2_000,
  until: now,
  beginBy: now
}
const refreshOf = (grant: Partial<GrantState>): Refresh => {
  const refresh = newRefresh({
    provider: "p",
    lane: "l",
    version: 1,
    grant: "g",
    nextRefreshAt: now + 3_600_000,
    grantExpiresAt: null
  })
  return { ...refresh, grant: { ...refresh.grant, ...grant } }
}
const stateOf = (grant: Partial<GrantState>, at: number, isPaused = false) =>
  shownRefreshState(refreshOf(grant), at, isPaused)

it("what is claimed is not shown as fresh before somebody settled it, however long that takes", () => {
  for (const at of [now - 1, now, now + 60_000]) assert.strictEqual(stateOf({ term: 1, claim }, at), "refreshing")
  assert.strictEqual(stateOf({ term: 1, claim, attempts: 3 }, now + 1), "refreshing")
  assert.strictEqual(stateOf({ term: 1 }, now + 60_000), "fresh")
})

it("what is known of a claimed grant goes first", () => {
  assert.strictEqual(stateOf({ term: 2, claim, doubtSince: now - 9_000 }, now + 1), "in_doubt")
  assert.strictEqual(stateOf({ term: 2, claim, isFinal: true }, now + 1), "reconnect_needed")
  assert.strictEqual(stateOf({ term: 2, claim }, now + 1, true), "paused")
})

describe("when somebody looks at it again", () => {
  const usual = now + 3_600_000
  const lookOf = (refresh: Refresh) => [dueAt(refresh), refreshIsDue(refresh, now)]

  it("at its usual time, at the time that a failure named, when its claim ends, or never", () => {
    assert.deepStrictEqual(lookOf(refreshOf({})), [usual, false])
    assert.deepStrictEqual(lookOf(refreshOf({ attempts: 1, nextAttemptAt: now + 5_000 })), [now + 5_000, false])
    assert.deepStrictEqual(lookOf(refreshOf({ attempts: 1, nextAttemptAt: now, doubtSince: 7 })), [now, true])
    assert.deepStrictEqual(lookOf(refreshOf({ claim, doubtSince: 7 })), [claim.until, true])
    assert.deepStrictEqual(lookOf(refreshOf({ isFinal: true, doubtSince: 7 })), [null, false])
  })

  it("when its health is to be looked at, where that comes first, and while there is a grant", () => {
    const health = { nextAt: now + 60_000, failures: 0, toldAt: null }
    assert.deepStrictEqual(lookOf({ ...refreshOf({}), health }), [now + 60_000, false])
    assert.deepStrictEqual(lookOf({ ...refreshOf({ isFinal: true }), health }), [null, false])
  })

  it("at once where it is in doubt and nobody is at it, and where another grant is left after a refusal", () => {
    assert.deepStrictEqual(lookOf(refreshOf({ doubtSince: now - 9_000 })), [now - 9_000, true])
    const refused = { reason: "invalid_grant", at: now - 1, httpStatus: 400 } as const
    assert.deepStrictEqual(lookOf({ ...refreshOf({ attempts: 1 }), lastError: refused }), [now - 1, true])
    const health = { nextAt: now + 60_000, failures: 0, toldAt: null }
    assert.deepStrictEqual(lookOf({ ...refreshOf({ doubtSince: now - 9_000 }), health }), [now - 9_000, true])
  })
})

it("a notice of a grant's end is remembered while the end is as near as then, and no longer", () => {
  const week = 7 * 86_400_000
  assert.strictEqual(noticedBefore(week, now + week - 1, now), week)
  assert.strictEqual(noticedBefore(week, now + week, now), week)
  assert.isNull(noticedBefore(week, now + week + 1, now))
  assert.isNull(noticedBefore(week, null, now))
  assert.isNull(noticedBefore(null, now + week, now))
})

describe("what is held", () => {
  const held = (version: number, grant: string): HeldGrant => ({
    ...{ version, grant, term: version, byHand: true, spent: false, refused: false }
  })

  it("is bounded, and a copy that is stored by hand again and again pushes nothing else out", () => {
    let holding: Holding = { current: held(2, "old"), spares: [{ ...held(3, "live"), byHand: false }] }
    for (let version = 4; version < 40; version++) {
      const spares = [holding.current, ...holding.spares]
      holding = bounded({ current: held(version, "old"), spares })
      assert.isAtMost(holding.spares.length, 16)
      assert.include(
        holding.spares.map(({ grant }) => grant),
        "live"
      )
    }
    const many = Array.from({ length: 20 }, (_, index) => held(20 - index, `g${index}`))
    assert.deepStrictEqual(bounded({ current: held(21, "g"), spares: many }).spares, many.slice(0, 16))
  })
})
