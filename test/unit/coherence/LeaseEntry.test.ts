// Verifies R-BUS-31, R-REV-6.
import { assert, describe, it } from "vitest"
import { decodeEntry, encodeEntry } from "../../../src/coherence/LeaseEntry.ts"

const timing = { leaseMs: 3_000, marginMs: 300 }
const place = { bucket: "CM_LEASES", key: "lease.one.x.0" }
/** Tells what is sealed; nobody else can. */
const seal = {
  tagOf: (text: string) => `tag of ${text}`,
  matches: (text: string, tag: string) => tag === `tag of ${text}`
}
const decode = (bytes: Uint8Array, where = place) => decodeEntry(seal, where, 7, bytes, { leaseMs: 1_000, marginMs: 1 })

describe("an entry of the lease bucket", () => {
  it("says what was written, under its own key", () => {
    const decoded = decode(encodeEntry(seal, place, "released", 42.9, timing))
    assert.deepStrictEqual(decoded, {
      entry: { key: place.key, process: "one.x", revision: 7, state: "released", heldMs: 42, timing },
      isSealed: true
    })
  })

  it("that nobody sealed for this very place, state and time counts as held", () => {
    const text = new TextDecoder().decode(encodeEntry(seal, place, "held", 1, timing))
    const written = [
      encodeEntry(seal, { ...place, key: "lease.one.x.1" }, "released", 0, timing),
      encodeEntry(seal, { ...place, bucket: "OTHER" }, "released", 0, timing),
      new TextEncoder().encode(text.replace('"held"', '"released"')),
      new TextEncoder().encode(text.replace("3000", "1")),
      new TextEncoder().encode("{}"),
      new Uint8Array()
    ]
    for (const bytes of written) {
      const decoded = decode(bytes)
      assert.isFalse(decoded?.isSealed)
      assert.deepInclude(decoded?.entry, { state: "held", heldMs: 0, timing: { leaseMs: 1_000, marginMs: 1 } })
    }
  })

  it("makes nobody wait longer than a lease may last", () => {
    const decoded = decode(encodeEntry(seal, place, "held", 0, { leaseMs: 10 ** 9, marginMs: 10 ** 9 }))
    assert.deepStrictEqual(decoded?.entry.timing, { leaseMs: 60_000, marginMs: 60_000 })
  })

  it("under a key that is no lease is none", () => {
    assert.isNull(decode(encodeEntry(seal, place, "held", 0, timing), { ...place, key: "barrier.one" }))
  })
})
