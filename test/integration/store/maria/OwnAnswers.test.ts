// Verifies R-DUR-2, R-DUR-4, R-BUS-10.
/**
 * Statements that are at hand as they were prepared, many in one write: each is answered with its own row, whatever fails,
 * is killed or changes its table beside it. Each answer says which statement it is one of, and with which values.
 */
import type { Connection as SqlConnection } from "mariadb"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { allOf } from "../../../../src/store/maria/AllWritten.ts"
import { type Connection, openConnection, type Value } from "../../../../src/store/maria/MariadbConnection.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../../support/freshDatabase.ts"
import { seededRandom } from "../../../support/seededRandom.ts"
import { settingsOf } from "../../../support/storeLayers.ts"

const [rowsMax, textsMax, rounds] = [50, 150, 200]
let database: FreshDatabase
let other: SqlConnection
const open = () =>
  openConnection(settingsOf(database.url), { statementTimeoutMs: 30_000 }, new AbortController().signal)

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  other = await connectSql(database.url)
  await other.query("CREATE TABLE answers (id INT PRIMARY KEY, seven INT, bytes LONGBLOB)")
  const rows = Array.from({ length: rowsMax }, (_, id) => `(${id}, ${id * 7}, '')`)
  await other.query(`INSERT INTO answers VALUES ${rows.join(", ")}`)
})
afterAll(async () => {
  await other?.end()
  await database?.drop()
})

const chance = (what: string) => {
  const { random } = seededRandom(what)
  const below = (end: number): number => Math.floor(random() * end)
  return { below, pick: <A>(list: ReadonlyArray<A>): A => list[below(list.length)]! }
}
type Random = ReturnType<typeof chance>

// Above 16,384 bytes they travel in packets of their own, and a place of a statement has numbers or bytes, as columns have.
const numbers: ReadonlyArray<(random: Random) => Value> = [
  () => null,
  (random) => random.below(1_000),
  (random) => 2 ** 40 + random.below(1_000),
  () => Number.MAX_SAFE_INTEGER,
  () => -1,
  (random) => random.below(1_000) + 0.5
]
const bytes: ReadonlyArray<(random: Random) => Value> = [
  () => null,
  () => "",
  (random) => `hé🙂 ${random.below(1_000)}`,
  (random) => "x".repeat(16_000 + random.below(1_000)),
  ...[3, 16_383, 16_384, 70_000].map((size) => (random: Random) => Buffer.alloc(size, random.below(256)))
]
const isSame = (given: unknown, value: Value): boolean =>
  value instanceof Uint8Array ? given instanceof Buffer && given.equals(value) : given === value

/** How many answers came, and what was answered to another question. */
const ask = async (connection: Connection, random: Random) => {
  const wrong: Array<string> = []
  let answered = 0
  const own = (sql: string, asked: Promise<unknown>, is: (answer: unknown) => boolean): Promise<void> =>
    asked.then(
      (answer) => {
        answered++
        if (!is(answer)) wrong.push(`${sql}: ${JSON.stringify(answer)?.slice(0, 300)}`)
      },
      // What fails has no answer.
      () => undefined
    )
  const one = (): Promise<void> => {
    const [text, id] = [random.below(random.below(2) === 0 ? 30 : textsMax), random.below(rowsMax)]
    const draw = random.below(30)
    if (draw === 0) {
      const sql = `SELECT (SELECT id FROM answers WHERE id <> ?), ${text}`
      // One that is killed there may give back nothing for it (`AllWritten.ts`).
      return own(sql, connection.rows(sql, [id]), (answer) => String(answer) === `,${text}`)
    }
    if (draw === 1) {
      const sql = `INSERT INTO answers (id, seven) VALUES (?, ${text})`
      return own(sql, connection.run(sql, [id]), () => false)
    }
    if (draw === 2) {
      const sql = `UPDATE answers SET bytes = ? WHERE id = ? AND ${text} >= 0`
      const rows = [20, 20_000].map((size) => [Buffer.alloc(size), id])
      return own(sql, connection.batch(sql, rows, "each"), (matched) => matched === rows.length)
    }
    const sql = `SELECT ?, ${text}, seven, id, ? FROM answers WHERE id = ?`
    const kind = text % 2 === 0 ? numbers : bytes
    const [first, last] = [random.pick(kind)(random), random.pick(kind)(random)]
    return own(sql, connection.rows(sql, [first, last, id]), (answer) => {
      const [row = [], ...more] = answer as ReadonlyArray<ReadonlyArray<unknown>>
      const isRow = Number(String(row[2])) === id * 7 && row[3] === id
      return more.length === 0 && isSame(row[0], first) && row[1] === text && isRow && isSame(row[4], last)
    })
  }
  const isTransaction = random.below(2) === 0
  if (isTransaction) connection.begin()
  await Promise.all(Array.from({ length: 1 + random.below(90) }, one))
  if (isTransaction) await Promise.allSettled([connection.rollback()])
  return { answered, wrong }
}

/** Again and again until it is stopped. */
const disturb = (how: (time: number) => Promise<unknown>) => {
  let isOver = false
  const done = (async () => {
    for (let time = 0; !isOver; time++) await how(time)
  })()
  return () => {
    isOver = true
    return done
  }
}
const unlessRefused = (sql: string) => Promise.allSettled([other.query(sql)])

describe("each statement has its own answer", () => {
  it("while some fail beside it, and tables get other columns of other types", async () => {
    const random = chance("own answers beside failures")
    const connection = await open()
    const types = ["BIGINT", "VARCHAR(40)", "VARBINARY(40)", "DOUBLE", "DECIMAL(20, 0)", "INT UNSIGNED", "INT"]
    const stop = disturb(async (time) => {
      await unlessRefused(`ALTER TABLE answers MODIFY seven ${types[time % types.length]}`)
      await unlessRefused("ALTER TABLE answers ADD COLUMN IF NOT EXISTS more INT FIRST")
      await unlessRefused("ALTER TABLE answers DROP COLUMN IF EXISTS more")
    })
    let count = 0
    for (let round = 0; round < rounds; round++) {
      const { answered, wrong } = await ask(connection, random)
      assert.deepStrictEqual(wrong, [])
      count += answered
    }
    await stop()
    assert.isAbove(count, rounds)
    assert.isTrue(connection.isValid())
    await connection.end()
  }, 120_000)

  it("while statements and connections are killed", async () => {
    const random = chance("own answers of killed connections")
    let connection = await open()
    const idOf = async () => Number((await connection.rows("SELECT CONNECTION_ID()"))[0]![0])
    let id = await idOf()
    let count = 0
    for (let round = 0; round < rounds; round++) {
      const stop = disturb((time) => unlessRefused(`KILL ${round % 10 === 9 && time > 1 ? "" : "QUERY"} ${id}`))
      const { answered, wrong } = await ask(connection, random)
      await stop()
      assert.deepStrictEqual(wrong, [])
      count += answered
      if (round % 10 !== 9) continue
      connection.giveUp()
      connection = await open()
      id = await idOf()
    }
    assert.isAbove(count, 0)
    await connection.end()
  }, 120_000)

  it("which is none where a statement for many rows, or that deletes, was killed before its end", async () => {
    const connection = await open()
    const id = Number((await connection.rows("SELECT CONNECTION_ID()"))[0]![0])
    const many = Array.from({ length: 300 }, (_, row) => [row % 7, row % rowsMax])
    const ways = [
      () => connection.batch("UPDATE answers SET bytes = ? WHERE id = ?", many, "each"),
      () => connection.run("DELETE FROM answers WHERE id = ?", [1]).then(allOf(1))
    ]
    const ended = new Map<unknown, number>()
    for (let time = 0; time < 2 * rounds; time++) {
      const stop = disturb(() => unlessRefused(`KILL QUERY ${id}`))
      connection.begin()
      const outcome = await ways[time % 2]!().catch((cause: { readonly errno: number }) => -cause.errno)
      await stop()
      await connection.rollback()
      ended.set(outcome, (ended.get(outcome) ?? 0) + 1)
    }
    assert.includeMembers([1, many.length, -1317], Array.from(ended.keys()))
    assert.isAbove(ended.get(-1317) ?? 0, 0)
    await connection.end()
  }, 120_000)
})
