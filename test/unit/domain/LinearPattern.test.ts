// Verifies R-REF-5.
/** A tenant's pattern costs what its value's length says, whatever it is. */
import { assert, describe, it } from "vitest"
import { linearPattern } from "../../../src/domain/LinearPattern.ts"
import { fillUrl, providerOf } from "../../../src/domain/Provider.ts"

const hostile = ["(a+)+", "(a|a)*", "(a|aa)+", "(.*a){20}", "([a-z]+)*", "a*a*a*a*a*a*a*a*a*a*a*a*b"]
const value = `${"a".repeat(2_000)}!`

describe("a pattern", () => {
  it("that takes JavaScript's own engine for ever is answered at once", () => {
    for (const text of hostile) {
      const before = process.cpuUsage()
      assert.isFalse(linearPattern(text)!.matches(value), text)
      // Years with backtracking: the bound only has to be finite on any machine.
      assert.isBelow(process.cpuUsage(before).user / 1e6, 20, text)
    }
  })
  it("matches a value as a whole, and none that is longer than a URL takes", () => {
    const pattern = linearPattern("[a-z]{1,3}|x.y")!
    assert.deepStrictEqual(["abc", "x.y", "abcd", "1abc", "abc\n", ""].map(pattern.matches), [
      ...[true, true, false, false, false, false]
    ])
    assert.isTrue(linearPattern("a*")!.matches("a".repeat(2_048)))
    assert.isFalse(linearPattern("a*")!.matches("a".repeat(2_049)))
  })
  it("with look-around, back references, or a repetition without end of its size is none", () => {
    for (const text of ["(?=a)a", "(a)\\1", "(", "a{1001}", "((a{100}){100}){100}", "[b-a]"]) {
      assert.isNull(linearPattern(text), text)
    }
  })
  it("of a provider that is none any more lets nothing through", () => {
    const provider = providerOf({ name: "x", token_url: "https://x.example/{p}", params: { p: { pattern: "(" } } })
    assert.deepStrictEqual(fillUrl("https://x.example/{p}", provider, { p: "a" }), {
      _tag: "Wrong",
      param: "p",
      why: "pattern"
    })
  })
})
