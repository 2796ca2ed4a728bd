// Verifies R-SEC-7, R-AUD-1.
import { assert, describe, it } from "@effect/vitest"
import { atOnce } from "../../../src/observability/Pieces.ts"
import { type AuditRow, chain, linkHash } from "../../../src/store/AuditChain.ts"
import { beginning, walk } from "../../../src/store/AuditWalk.ts"
import { auditedBy } from "../../support/auditedBy.ts"

const tenantId = "acme"
const entries = Array.from({ length: 8 }, (_, index) => ({
  ...auditedBy("bus"),
  action: "credential.read",
  entityType: "credential",
  entityId: `c${index}`,
  diff: index % 2 === 0 ? { version: index } : null
}))
const rows = atOnce(chain(tenantId, { seq: 0, hash: null }, 1_700_000_000_000, entries))
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
    { by: "bearer" },
    { account: "ACME" },
    { user: "alice" },
    { client: "console" },
    { correlationId: "another" },
    { version: 1 },
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

  it("says of what is wrong what it is", () => {
    const reason = (given: ReadonlyArray<AuditRow>) => walk(beginning(tenantId), given, none).broken?.reason
    assert.strictEqual(reason(rows.toSpliced(3, 0, rows[2]!)), "the row stands there twice")
    assert.strictEqual(reason(rows.toSpliced(3, 1)), "the row is missing")
    assert.strictEqual(reason(edited(3, { actor: "mallory" })), "the row was changed")
    assert.strictEqual(reason(forged(3, { actor: "mallory" })), "the row does not follow the one before it")
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
    const anew = atOnce(
      chain(tenantId, { seq: 0, hash: null }, 1_700_000_000_000, entries.toSpliced(2, 1, entries[3]!))
    )
    assert.isUndefined(brokenAt(anew))
    assert.strictEqual(brokenAt(anew, new Map([[6, rows[5]!.hash]])), 6)
  })

  it("goes on from any place of the chain", () => {
    const place = { seq: 3, hash: rows[2]!.hash }
    assert.strictEqual(walk(place, rows.slice(3), none).broken, null)
    assert.strictEqual(walk(place, rows.slice(4), none).broken?.seq, 4)
  })

  /** Links of version 1, as they were made before rows said how an actor was known. */
  const former: Array<AuditRow> = []
  for (const { hash: _, ...row } of rows) {
    const nobody = { by: null, account: null, user: null, client: null, correlationId: null }
    const prevHash = former.at(-1)?.hash ?? beginning(tenantId).hash
    const rest = { ...row, ...nobody, version: 1 as const, prevHash }
    former.push({ ...rest, hash: linkHash(rest) })
  }

  it("holds over rows of the former version and those that follow them", () => {
    const last = former.at(-1)!
    const later = atOnce(chain(tenantId, { seq: last.seq, hash: last.hash }, 1_700_000_000_000, entries))
    const walked = walk(beginning(tenantId), [...former, ...later], none)
    assert.deepStrictEqual([walked.checked, walked.broken], [16, null])
  })

  it.each([{ by: "bearer" }, { account: "ACME" }, { user: "u" }, { client: "c" }, { correlationId: "" }])(
    "names a row of the former version that says what its hash does not cover: %o",
    (more) => {
      assert.strictEqual(brokenAt(former.map((row, at) => (at === 3 ? { ...row, ...more } : row))), 4)
    }
  )

  it("has the hash that was always made for rows of the former version", () => {
    assert.strictEqual(former[0]!.hash, "6f78808c1bf558b3158309d5c27fcf0f446e022f5b726942afbf2e49970cba41")
  })
})
