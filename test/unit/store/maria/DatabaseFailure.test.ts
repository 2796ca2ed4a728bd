// Verifies R-DUR-4.
/** What a failure says of a transaction whose writes went with its COMMIT. */
import { assert, describe, it } from "@effect/vitest"
import { DatabaseFailure, isOfStatement } from "../../../../src/store/maria/DatabaseFailure.ts"

const failure = (errno: number, more: Partial<DatabaseFailure> = {}) =>
  new DatabaseFailure({ errno, code: "X", constraint: null, fatal: false, ...more })

describe("a failure of writes that went with their COMMIT", () => {
  it("is known to have committed nothing where a write broke a rule, was wrong, or lost against another transaction", () => {
    for (const errno of [1213, 1205, 1020, 1064, 1264, 1406]) assert.isTrue(isOfStatement(failure(errno)), `${errno}`)
    assert.isTrue(isOfStatement(failure(1062, { constraint: "tokens.PRIMARY" })))
  })

  it("may have come after the COMMIT in every other case", () => {
    // A time that was over, a KILL, a failure of COMMIT itself, a server that ends, nothing that a server said.
    // The connector counts its own from 45000 on.
    for (const errno of [1969, 1317, 1927, 1180, 1026, 1053, 0, 45_016, 45_050])
      assert.isFalse(isOfStatement(failure(errno)), `${errno}`)
    assert.isFalse(isOfStatement(failure(-1)), "an exception of our own code")
    assert.isFalse(isOfStatement(failure(1205, { fatal: true })), "a connection that is gone")
  })
})
