// Verifies R-DUR-4.
/** What a failure says of a transaction whose writes went with its COMMIT. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { SqlError } from "mariadb"
import {
  DatabaseFailure,
  fromUnknown,
  isOfStatement,
  isPassing,
  isUnreachable,
  uniqueKeyPattern
} from "../../../../src/store/maria/DatabaseFailure.ts"

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

describe("a failure that passes by itself", () => {
  it("is one of a server that is not reached, that was lost against others, or that took too long", () => {
    for (const errno of [1040, 1053, 1203, 45_009, 45_012, 1213, 1205, 1020, 1317, 1927, 1969, 45_013, 45_026])
      assert.isTrue(isPassing(failure(errno)), `${errno}`)
    for (const code of ["ECONNREFUSED", "ETIMEDOUT", "TIMED_OUT"]) assert.isTrue(isPassing(failure(0, { code })), code)
    for (const errno of [1045, 1049, 1062, 1064, -1, 0]) assert.isFalse(isPassing(failure(errno)), `${errno}`)
    for (const errno of [1213, 1969]) assert.isFalse(isUnreachable(failure(errno)), `${errno}`)
  })
})

describe("what is thrown that is none of the database's", () => {
  it("has the code that the machine gives it, and else none, and is never met as if it were another", () => {
    const of = (cause: unknown) => fromUnknown(cause)
    const refused = Object.assign(new Error("x"), { code: "ECONNREFUSED" })
    for (const cause of [refused, new AggregateError([refused])])
      assert.deepInclude(of(cause), { errno: 0, code: "ECONNREFUSED", fatal: true })
    const strange = [null, undefined, "ECONNREFUSED", { code: "ECONNREFUSED" }, new AggregateError([])]
    for (const cause of [...strange, new Error("x"), Object.assign(new Error("x"), { code: 5 })])
      assert.deepInclude(of(cause), { errno: -1, code: "NOT_OF_THE_DATABASE", fatal: true, cause })
    const own = failure(1213)
    assert.strictEqual(of(own), own)
  })
})

describe("the constraint that was broken", () => {
  const constraintOf = (key: string, sql: string) => {
    const message = `Duplicate entry 'x' for key '${key}'`
    return fromUnknown(new SqlError(message, sql, false, undefined, "23000", 1062, undefined, false)).constraint
  }
  // The connector keeps 256 characters.
  const text = `BEGIN NOT ATOMIC INSERT INTO audit_checkpoints (${"column_of_it, ".repeat(15)}...`

  it("is that of the table in its name, though the text that is known of many statements ends before it", () => {
    assert.strictEqual(constraintOf("uq_tokens_hash", text), "tokens.uq_tokens_hash")
    const name = "uq_client_credentials_name"
    assert.strictEqual(constraintOf(name, text), `client_credentials.${name}`)
    assert.strictEqual(constraintOf("PRIMARY", text), "audit_checkpoints.PRIMARY")
    assert.strictEqual(constraintOf("PRIMARY", ""), "unknown.PRIMARY")
  })

  it("has in each migration the name of its table and one word more", () => {
    const folder = new URL("../../../../src/store/maria/migrations/", import.meta.url)
    const found: Array<string> = []
    for (const file of readdirSync(folder)) {
      const sql = readFileSync(new URL(file, folder), "utf8").replaceAll(/--.*$/gmu, "")
      const table = /\b(?:CREATE|ALTER) TABLE (?:IF NOT EXISTS )?(\w+)/u.exec(sql)?.[1]
      for (const [, key = ""] of sql.matchAll(/\bUNIQUE (?:(?:KEY|INDEX) )?(?:IF NOT EXISTS )?(\w*)/gu)) {
        found.push(key)
        assert.strictEqual(uniqueKeyPattern.exec(key)?.groups?.table, table, `${file}: ${key}`)
      }
    }
    assert.include(found, "uq_provider_turns_number")
    assert.isAtLeast(found.length, 7)
  })
})
