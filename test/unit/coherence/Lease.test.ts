import { describe, expect, it } from "vitest"
import { afterLapse, afterRenewal, holds, type Moment, outwaitMs } from "../../../src/coherence/Lease.ts"

const timing = { leaseMs: 3_000, marginMs: 300 }
const at = (ms: number, wallMs = ms): Moment => ({ monotonicMs: ms, wallMs })
const none = { trustedUntilMonotonicMs: 0, trustedUntilWallMs: 0, generation: 1 }

describe("a lease", () => {
  it("of another one is outwaited after its whole length and its margin", () => {
    expect(outwaitMs(timing)).toBe(3_300)
  })

  it("counts from before the renewal was sent, less the margin, on both clocks", () => {
    const right = afterRenewal(none, at(1_000, 50_000), at(1_900, 50_900), timing)
    expect(holds(right, at(3_699, 52_699))).toBe(true)
    expect(holds(right, at(3_700, 52_000))).toBe(false)
    expect(holds(right, at(2_000, 52_700))).toBe(false)
  })

  it("keeps its generation while it is renewed without a gap", () => {
    const first = afterRenewal(none, at(1_000), at(1_010), timing)
    const second = afterRenewal(first, at(2_000), at(2_010), timing)
    expect(second.generation).toBe(first.generation)
    expect(first.generation).toBe(2)
  })

  it("is a new generation when the acknowledgement comes after the right had ended", () => {
    const first = afterRenewal(none, at(1_000), at(1_010), timing)
    expect(afterRenewal(first, at(3_000), at(3_700), timing).generation).toBe(first.generation + 1)
    expect(afterRenewal(first, at(3_000, 3_000), at(3_100, 9_000), timing).generation).toBe(first.generation + 1)
  })

  it("grows its generation once when a lapse starts and once when it ends", () => {
    const held = afterRenewal(none, at(1_000), at(1_010), timing)
    const lapsed = afterLapse(held)
    expect(holds(lapsed, at(1_020))).toBe(false)
    expect([lapsed.generation, afterLapse(lapsed).generation]).toEqual([held.generation + 1, held.generation + 1])
    expect(afterRenewal(lapsed, at(1_100), at(1_110), timing).generation).toBe(held.generation + 2)
  })

  it("gives nothing when the acknowledgement took longer than the lease", () => {
    const right = afterRenewal(none, at(1_000), at(9_000), timing)
    expect(holds(right, at(9_000))).toBe(false)
  })
})
