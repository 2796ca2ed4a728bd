// Verifies R-RUN-17.
/**
 * What a step of the schema may do: replicas of the release before run while it is done, and after it, and may come back.
 *
 * So a step only adds: tables, keys, and columns that whoever does not name them leaves alone. Nothing that is there is
 * renamed, narrowed or dropped, and no key refuses a row that was good before. What has to go is dropped two releases later,
 * when nobody names it any more, and is listed here then, with why it harms nobody.
 */
import { createHash } from "node:crypto"
import { assert, describe, it } from "vitest"
import { knownMigrations } from "../../../../src/store/maria/Migrations.ts"
import released from "../../../fixtures/schemaSteps.json" with { type: "json" }

/** Done before there was a release that could run beside: those up to here were looked at by nobody in this way. */
const looked = 511
/** By number: why more than adding harms no replica of before. */
const harmless: Readonly<Record<number, string>> = {
  530: "a key that no statement ever named: without it the same rows are found, more slowly"
}

const plain = (sql: string): string =>
  sql
    .replaceAll(/^--.*$/gmu, "")
    .replaceAll(/'(?:[^']|'')*'/gu, "''")
    .replaceAll(/\s+/gu, " ")
    .trim()

/** Cut at the commas that stand in no brackets. */
const clausesOf = (text: string): ReadonlyArray<string> => {
  const clauses = [""]
  let depth = 0
  for (const character of text) {
    if (character === "(") depth++
    if (character === ")") depth--
    if (character === "," && depth === 0) clauses.push("")
    else clauses[clauses.length - 1] += character
  }
  return clauses.map((clause) => clause.trim())
}

/** What of a step does more than add, or nothing. `added`: columns that steps have added, as `table.column`. */
const moreThanAdds = (sql: string, added: Set<string>): ReadonlyArray<string> => {
  const text = plain(sql)
  if (/^CREATE TABLE IF NOT EXISTS /u.test(text)) return []
  const [, table, rest] = /^ALTER TABLE (\w+) (.*)$/u.exec(text) ?? []
  if (table === undefined) return [text]
  return clausesOf(rest!).filter((clause) => {
    const [, column, definition] = /^ADD COLUMN IF NOT EXISTS (\w+) (.*)$/u.exec(clause) ?? []
    if (column !== undefined) {
      added.add(`${table}.${column}`)
      return /NOT NULL/u.test(definition!) && !/ (?:DEFAULT |AS \()/u.test(definition!)
    }
    const [, columns] = /^ADD UNIQUE KEY IF NOT EXISTS \w+ \((.*)\)$/u.exec(clause) ?? []
    // Whoever does not know the column leaves it null, and null is like nothing.
    if (columns !== undefined) return !columns.split(", ").some((name) => added.has(`${table}.${name}`))
    return !/^ADD KEY IF NOT EXISTS /u.test(clause)
  })
}

const seen = (sql: string) => moreThanAdds(sql, new Set(["t.known"]))

describe("a step of the schema", () => {
  it("takes nothing from a replica of the release before, and refuses it nothing", () => {
    const added = new Set<string>()
    const found = knownMigrations().flatMap(({ name, number, sql }) => {
      const clauses = moreThanAdds(sql, added)
      return number <= looked || harmless[number] !== undefined ? [] : clauses.map((clause) => `${name}: ${clause}`)
    })
    assert.deepStrictEqual(found, [])
  })

  it("is what it was when it was released: a database that has it gets it no more", () => {
    const digests = Object.fromEntries(
      knownMigrations().map(({ name, number, sql }) => [
        `${number} ${name}`,
        createHash("sha256").update(sql, "utf8").digest("hex").slice(0, 16)
      ])
    )
    assert.deepStrictEqual(digests, released)
  })

  it("is seen to do more than add, whatever it does", () => {
    const more = [
      "DROP TABLE t",
      "UPDATE t SET a = 1",
      "ALTER TABLE t DROP COLUMN IF EXISTS a",
      "ALTER TABLE t MODIFY COLUMN a INT NULL",
      "ALTER TABLE t CHANGE a b INT NULL",
      "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT NOT NULL COMMENT 'DEFAULT 1'",
      "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT NULL, DROP KEY IF EXISTS k",
      "ALTER TABLE t ADD UNIQUE KEY IF NOT EXISTS u (other)",
      "ALTER TABLE t ADD COLUMN a INT NULL",
      "RENAME TABLE t TO s"
    ]
    for (const sql of more) assert.isNotEmpty(seen(sql), sql)
    const adds = [
      "-- Why.\nCREATE TABLE IF NOT EXISTS s (a INT NOT NULL)",
      "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT NULL COMMENT 'one, two; NOT NULL', ADD KEY IF NOT EXISTS k (a, b)",
      "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT NOT NULL DEFAULT 0",
      "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT AS (IF(b > 0, c, NULL)) STORED",
      "ALTER TABLE t ADD UNIQUE KEY IF NOT EXISTS u (other, known)"
    ]
    for (const sql of adds) assert.isEmpty(seen(sql), sql)
  })
})
