// Verifies R-SEC-3, R-SEC-30.
/** Which key file belongs to which data: said before anything is written. */
import { assert, describe, it } from "vitest"
import { mismatchOf, neededOf } from "../../../src/crypto/ServiceKeys.ts"

const key = (masterKeyId: string, fingerprint = `of ${masterKeyId}`) => ({ masterKeyId, fingerprint })
const says = (options: Partial<Parameters<typeof mismatchOf>[0]>) =>
  mismatchOf({ held: [key("a")], known: [key("a")], needed: new Set(["a"]), hasData: true, ...options })

describe("a key file", () => {
  it("that wrote the data is right, with more keys than it needs too", () => {
    assert.isNull(says({}))
    assert.isNull(says({ held: [key("b"), key("a")] }))
    assert.isNull(says({ held: [key("a")], known: [], needed: new Set(), hasData: false }))
  })

  it("with another key under the same name is not, nor one that lacks a key, nor one for data of nobody", () => {
    assert.match(says({ held: [key("a", "of b")] }) ?? "", /is not the one of that name/u)
    assert.match(says({ needed: new Set(["a", "b"]) }) ?? "", /needs master key b, here is a/u)
    assert.match(says({ held: [key("b")], needed: new Set() }) ?? "", /another key file/u)
    assert.match(says({ known: [], needed: new Set() }) ?? "", /holds data, but not which master key/u)
  })

  it("has to hold what was noted, and what the service writes with; not what the row of some tenant names", () => {
    const row = (masterKeyId: string, state: "active" | "retiring" | "retired", tenantId: string | null) => ({
      ...{ masterKeyId, state, tenantId }
    })
    const rows = [
      row("a", "retiring", "acme"),
      row("b", "retired", "acme"),
      row("c", "active", "acme"),
      row("d", "retiring", null),
      row("e", "active", null)
    ]
    assert.deepStrictEqual(Array.from(neededOf(rows, [key("a"), key("b")])), ["a", "e"])
  })
})
