// Verifies R-TOK-1, R-TOK-2, R-TOK-10, R-TOK-11.
/** Every pair of states, every path of length five, and what a validation answers to each. Contract 2.1. */
import { assert, describe, it } from "vitest"
import { type Ending, endingOf, endOf, type TokenStatus, tokenStatuses } from "../../../src/domain/Token.ts"
import { decide, isUsable, verdict } from "../../../src/domain/TokenLifecycle.ts"

// from      -> to         what it means
const table = `
  Inactive  -> Inactive   unchanged
  Inactive  -> Active     changed
  Inactive  -> Suspended  forbidden
  Inactive  -> Revoked    takes-right-away
  Active    -> Inactive   forbidden
  Active    -> Active     unchanged
  Active    -> Suspended  takes-right-away
  Active    -> Revoked    takes-right-away
  Suspended -> Inactive   forbidden
  Suspended -> Active     changed
  Suspended -> Suspended  unchanged
  Suspended -> Revoked    changed
  Revoked   -> Inactive   forbidden
  Revoked   -> Active     forbidden
  Revoked   -> Suspended  forbidden
  Revoked   -> Revoked    unchanged
`
const rows = table
  .trim()
  .split("\n")
  .map((line) => {
    const [from, , to, expected] = line.trim().split(/\s+/u) as [TokenStatus, string, TokenStatus, string]
    return { from, to, expected }
  })

describe("a requested change", () => {
  it.each(rows)("$from -> $to: $expected", ({ expected, from, to }) => {
    const decision = decide(from, to)
    const actual =
      decision._tag === "Changed" && decision.takesRightAway ? "takes-right-away" : decision._tag.toLowerCase()
    assert.strictEqual(actual, expected)
  })

  it("the table names every pair once", () => {
    assert.strictEqual(new Set(rows.map(({ from, to }) => from + to)).size, tokenStatuses.length ** 2)
  })

  it("never leaves Revoked, over every path of five changes", () => {
    const walk = (status: TokenStatus, depth: number): number => {
      if (depth === 0) return 1
      let paths = 0
      for (const to of tokenStatuses) {
        const decision = decide(status, to)
        const reached = decision._tag === "Changed" ? decision.to : status
        if (status === "Revoked") assert.isFalse(isUsable(reached))
        paths += walk(reached, depth - 1)
      }
      return paths
    }
    assert.strictEqual(
      tokenStatuses.reduce((sum, status) => sum + walk(status, 5), 0),
      4 ** 6
    )
  })
})

describe("a validation", () => {
  const now = 1_000
  const answers: ReadonlyArray<readonly [TokenStatus, number | null, Ending, number, string | null]> = [
    ["Inactive", null, "expired", 200, null],
    ["Active", null, "expired", 200, null],
    ["Active", now + 1, "expired", 200, null],
    ["Suspended", null, "expired", 403, "Token is suspended"],
    ["Revoked", null, "revoked", 410, "Token is revoked"],
    ["Revoked", null, "expired", 410, "Token is expired"],
    ["Revoked", now - 1, "revoked", 410, "Token is revoked"],
    ["Revoked", null, "rotated", 410, "Token was rotated"],
    // The end itself is past the end, and an ended token is gone whatever its status says.
    ["Inactive", now, "expired", 410, "Token is expired"],
    ["Active", now - 1, "rotated", 410, "Token was rotated"],
    ["Suspended", now, "expired", 410, "Token is expired"]
  ]
  it.each(answers)("of %s, ending at %s (%s): %i", (status, endsAt, ending, code, phrase) => {
    assert.deepStrictEqual(verdict({ status, endsAt, ending }, now), {
      statusCode: code,
      reasonPhrase: phrase
    } as never)
  })
})

describe("a token's two ends", () => {
  const of = (expiresAt: number | null, overlapEndsAt: number | null) => ({ expiresAt, overlapEndsAt })
  it.each([
    [null, null, null, "expired"],
    [5, null, 5, "expired"],
    [null, 5, 5, "rotated"],
    [5, 7, 5, "expired"],
    [7, 5, 5, "rotated"],
    [5, 5, 5, "expired"]
  ] as const)("own %s, overlap %s: the nearer, %s, as %s", (own, overlap, end, ending) => {
    assert.strictEqual(endOf(of(own, overlap)), end)
    assert.strictEqual(endingOf({ ...of(own, overlap), status: "Active", endedBy: null }), ending)
  })

  it("a Revoked one was ended by what the service wrote down, else by a request", () => {
    for (const endedBy of ["expired", "rotated", null] as const) {
      assert.strictEqual(endingOf({ ...of(1, 2), status: "Revoked", endedBy }), endedBy ?? "revoked")
    }
  })
})
