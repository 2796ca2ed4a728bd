// Verifies R-SEC-7.
import { assert, describe, it } from "@effect/vitest"
import { type AuditRow, chain, linkHash } from "../../../src/store/AuditChain.ts"
import { beginning, walk } from "../../../src/store/AuditWalk.ts"

const tenantId = "acme"
const entries = Array.from({ length: 8 }, (_, index) => ({
  actor: "bus",
  action: "credential.read",
  entityType: "credential",
  entityId: `c${index}`,
  diff: index % 2 === 0 ? { version: index } : null
}))
const rows = chain(tenantId, { seq: 0, hash: null }, 1_700_000_000_000, entries)
const none = new Map<number, string>()
const brokenAt = (given: ReadonlyArray<AuditRow>, anchors = none) =>
  walk(beginning(tenantId), given, anchors).broken?.seq
const edited = (index: number, change: Partial<AuditRow>) =>
  rows.map((row, at) => (at === index ? { ...row, ...change } : row))
/** A row changed by somebody who knows how hashes are made. */
const forged = (index: number, change: Partial<AuditRow>) => {
  const { hash: _, ...rest } = { ...rows[index]!, ...change }
  return edited(index, { ...change, hash: linkHash(rest) })
}

describe("AuditWalk", () => {
  it("finds nothing wrong with what was written", () => {
    assert.deepStrictEqual(walk(beginning(tenantId), rows, none), {
      place: { seq: 8, hash: rows[7]!.hash },
      checked: 8,
      broken: null
    })
  })

  const changes: ReadonlyArray<Partial<AuditRow>> = [
    { actor: "mallory" },
    { action: "credential.updated" },
    { entityId: "other" },
    { entityType: "token" },
    { at: 1 },
    { diff: '{"version":9}' },
    { diff: null },
    { tenantId: "other" },
    { hash: "00" }
  ]
  it.each(changes)("names the row that was edited: %o", (change) => {
    assert.strictEqual(brokenAt(edited(4, change)), 5)
  })

  it("names every single row that is deleted, doubled or exchanged with the next", () => {
    for (let index = 0; index < rows.length; index++) {
      const without = rows.toSpliced(index, 1)
      if (index < rows.length - 1) assert.strictEqual(brokenAt(without), index + 1)
      assert.strictEqual(brokenAt(rows.toSpliced(index, 0, rows[index]!)), index + 1)
      if (index < rows.length - 1) {
        const exchanged = rows.toSpliced(index, 2, rows[index + 1]!, rows[index]!)
        assert.strictEqual(brokenAt(exchanged), index + 1)
      }
    }
  })

  it("names the row after one that was forged with a hash of its own", () => {
    assert.strictEqual(brokenAt(forged(4, { actor: "mallory" })), 6)
  })

  it("names the row that was put in between with numbers moved on", () => {
    const moved = rows.map((row, index) => (index < 4 ? row : { ...row, seq: row.seq + 1 }))
    const inserted = moved.toSpliced(4, 0, { ...rows[4]!, actor: "mallory" })
    assert.strictEqual(brokenAt(inserted), 5)
  })

  it("names the signed row that a chain written anew contradicts", () => {
    const anew = chain(tenantId, { seq: 0, hash: null }, 1_700_000_000_000, entries.toSpliced(2, 1, entries[3]!))
    assert.isUndefined(brokenAt(anew))
    assert.strictEqual(brokenAt(anew, new Map([[6, rows[5]!.hash]])), 6)
  })

  it("goes on from any place of the chain", () => {
    const place = { seq: 3, hash: rows[2]!.hash }
    assert.strictEqual(walk(place, rows.slice(3), none).broken, null)
    assert.strictEqual(walk(place, rows.slice(4), none).broken?.seq, 4)
  })
})
