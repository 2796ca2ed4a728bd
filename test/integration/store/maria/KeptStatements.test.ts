// Verifies R-BUS-10.
/** Statements that are often used are at hand, and a server is not filled with them, whatever is asked. */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import * as Flights from "../../../../src/store/maria/Flights.ts"
import { type Connection, openConnection, preparedMax } from "../../../../src/store/maria/MariadbConnection.ts"
import { settingsOf } from "../../../support/storeLayers.ts"

const open = () =>
  openConnection(settingsOf(inject("databaseUrl")), { statementTimeoutMs: 30_000 }, new AbortController().signal)
let connection: Connection
beforeAll(async () => {
  connection = await open()
})
afterAll(() => connection?.end())

/** Statements of a connection that the server keeps. */
const keptByServer = async (connection: Connection): Promise<number> => {
  const count = async (what: string) =>
    Number((await connection.rows(`SHOW SESSION STATUS LIKE 'Com_stmt_${what}'`))[0]?.[1])
  return (await count("prepare")) - (await count("close"))
}

describe("statements of look-ups", () => {
  it("are prepared once each, while they are few", async () => {
    const ask = () => connection.read("SELECT ? + 1", [1])
    await ask()
    await keptByServer(connection)
    const before = await keptByServer(connection)
    for (let count = 0; count < 10; count++) assert.deepStrictEqual(await ask(), [[2]])
    assert.strictEqual(await keptByServer(connection), before)
  })
  it("are kept so many at most, and the first ones answer still", async () => {
    const texts = Array.from({ length: 2 * preparedMax }, (_, n) => `SELECT ? + ${n}`)
    for (const [n, text] of texts.entries()) assert.deepStrictEqual(await connection.read(text, [1]), [[1 + n]])
    const kept = await keptByServer(connection)
    assert.isAtMost(kept, preparedMax)
    for (const [n, text] of texts.entries()) assert.deepStrictEqual(await connection.read(text, [2]), [[2 + n]])
    assert.isAtMost(await keptByServer(connection), preparedMax)
  })
})

describe("statements of transactions", () => {
  it("are kept so many at most, those that are used all the time while others come and go among them", async () => {
    const connection = await open()
    const ask = (text: string) => connection.rows(text, [1])
    const often = Array.from({ length: Flights.keptMax - 1 }, (_, n) => `SELECT ? + ${n}`)
    const usedOften = () => Promise.all(often.map(ask))
    for (let n = 0; n < preparedMax; n++) {
      assert.deepStrictEqual(await ask(`SELECT ? - ${n}`), [[1 - n]])
      await usedOften()
    }
    const kept = await keptByServer(connection)
    assert.isAtMost(kept, preparedMax)
    assert.isAbove(kept, preparedMax - 4, "and the server is said to keep no more than it may have to")
    await connection.end()
  }, 60_000)
})
