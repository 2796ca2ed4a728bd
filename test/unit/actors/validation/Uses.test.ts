// Verifies R-TOK-9.
/** Last uses on their way: the newest of each, bounded, handed out once. */
import { assert, it } from "vitest"
import { Uses, usesWaitingMax } from "../../../../src/actors/validation/Uses.ts"

it("of each token the newest is kept, whatever comes first", () => {
  const uses = new Uses()
  for (const usedAt of [5, 9, 7]) uses.add("a", usedAt)
  uses.add("b", 1)
  assert.strictEqual(uses.count, 2)
  assert.deepStrictEqual(uses.take(10), [
    { tokenId: "a", usedAt: 9 },
    { tokenId: "b", usedAt: 1 }
  ])
})

it("what was handed out is forgotten, and no more is handed out than asked for", () => {
  const uses = new Uses()
  for (const tokenId of ["a", "b", "c"]) uses.add(tokenId, 1)
  assert.lengthOf(uses.take(2), 2)
  assert.deepStrictEqual(uses.take(2), [{ tokenId: "c", usedAt: 1 }])
  assert.deepStrictEqual(uses.take(2), [])
})

it("so many tokens wait and no more; one that waits already is still brought up to date", () => {
  const uses = new Uses()
  for (let at = 0; at < usesWaitingMax; at++) uses.add(`t-${at}`, 1)
  uses.add("one more", 1)
  uses.add("t-0", 2)
  assert.deepStrictEqual([uses.count, uses.dropped], [usesWaitingMax, 1])
  assert.deepStrictEqual(uses.take(1), [{ tokenId: "t-0", usedAt: 2 }])
})
