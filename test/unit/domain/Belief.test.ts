// Verifies R-REV-4.
/** When a cached right may be used: the whole small space, against the rule in words. */
import { assert, it } from "vitest"
import { isSpent, mayBelieve } from "../../../src/domain/Belief.ts"

const sequences = [0, 1, 2, 3]

it("a cached right is believed under a lease, read at or after all that was covered or taken away, and not else", () => {
  for (const readSeq of sequences)
    for (const coveredSeq of [null, ...sequences])
      for (const tombstoneSeq of sequences)
        for (const applicationSeq of sequences)
          for (const tenantSeq of sequences) {
            const newest = Math.max(coveredSeq ?? 0, tombstoneSeq, applicationSeq, tenantSeq)
            const expected = coveredSeq !== null && readSeq >= newest
            const words = JSON.stringify({ readSeq, coveredSeq, tombstoneSeq, applicationSeq, tenantSeq })
            const believes = (leaseHolds: boolean) =>
              mayBelieve(leaseHolds, coveredSeq, readSeq, tombstoneSeq, applicationSeq, tenantSeq)
            assert.strictEqual(believes(true), expected, words)
            assert.isFalse(believes(false), `without a lease: ${words}`)
          }
})

it("a tombstone is spent when the covered sequence has reached it", () => {
  for (const tombstone of sequences)
    for (const covered of sequences) {
      assert.strictEqual(isSpent(tombstone, covered), covered >= tombstone)
    }
})
