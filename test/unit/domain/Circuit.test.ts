// Verifies R-REF-15.
/** A circuit's whole life, and that nothing but its own failures moves it. */
import { assert, describe, it } from "vitest"
import {
  afterFailure,
  type Circuit,
  type CircuitKind,
  circuitState,
  closedCircuit,
  openMs,
  waitFor
} from "../../../src/domain/Circuit.ts"

const failing = (kind: CircuitKind, times: number, from: Circuit = closedCircuit, now = 1_000): Circuit =>
  Array.from({ length: times }).reduce((circuit: Circuit) => afterFailure(circuit, kind, now, 0), from)

describe("a circuit", () => {
  it("opens at the fifth failure in a row of a provider, at the third of a client", () => {
    for (const [kind, max] of [
      ["provider", 5],
      ["client", 3]
    ] as const) {
      assert.strictEqual(circuitState(failing(kind, max - 1), 1_000), "closed")
      const open = failing(kind, max)
      assert.strictEqual(circuitState(open, 1_000), "open")
      assert.strictEqual(waitFor(open, 1_000), 6_000)
    }
  })

  it("is half open when its time is over, lets one try, and stays open twice as long when that fails", () => {
    const open = failing("provider", 5)
    assert.strictEqual(circuitState(open, 6_000), "half_open")
    assert.isNull(waitFor(open, 6_000))
    const tried = { ...open, probeUntil: 9_000 }
    assert.strictEqual(waitFor(tried, 6_000), 9_000)
    // Who tried and died is followed.
    assert.isNull(waitFor(tried, 9_000))
    const again = afterFailure(tried, "provider", 6_500, 0)
    assert.deepInclude(again, { opens: 2, openUntil: 16_500, probeUntil: 0 })
  })

  it("is opened no further by what was under way when it opened", () => {
    const open = failing("provider", 5)
    assert.strictEqual(afterFailure(open, "provider", 2_000, 0).openUntil, open.openUntil)
  })

  it("stays open a minute at most, and a part of it is chance", () => {
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4, 50].map((opens) => openMs(opens, 0)),
      [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]
    )
    assert.isAbove(openMs(4, 0.999), 48_000 - 1)
  })
})
