// Verifies R-TOK-6, R-TOK-4.
import { assert, it } from "vitest"
import { isPast, tokenHintOf } from "../../../src/domain/Token.ts"

it("a hint leaves eight characters to guess, whatever the length of the value", () => {
  const hints = [7, 8, 11, 12, 13].map((length) => tokenHintOf("abcdefghijklmnop".slice(0, length)))
  assert.deepStrictEqual(hints, [null, "gh", "jk", "ijkl", "jklm"])
  assert.strictEqual(tokenHintOf("🔑".repeat(8)), "🔑🔑")
})

it("an end is past when it has come", () => {
  assert.deepStrictEqual([isPast(5, 4), isPast(5, 5), isPast(null, 5)], [false, true, false])
})
