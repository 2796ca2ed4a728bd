// Verifies R-REF-10.
import { assert, it } from "vitest"
import type { Claim, GrantState } from "../../../src/domain/Grant.ts"
import { newRefresh, shownRefreshState } from "../../../src/domain/Refresh.ts"

const now = 1_800_000_000_000
const claim: Claim = {
  term: 1,
  holder: "one",
  spends: 1,
  at: now - 2_000,
  until: now,
  beginBy: now
}
const stateOf = (grant: Partial<GrantState>, at: number, isPaused = false) => {
  const refresh = newRefresh({
    provider: "p",
    lane: "l",
    version: 1,
    grant: "g",
    nextRefreshAt: now + 3_600_000,
    grantExpiresAt: null
  })
  return shownRefreshState({ ...refresh, grant: { ...refresh.grant, ...grant } }, at, isPaused)
}

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
