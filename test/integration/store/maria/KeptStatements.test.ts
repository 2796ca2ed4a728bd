// Verifies R-BUS-10.
/** Look-ups have their statements at hand, and a server is not filled with them, whatever is asked. */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Connection, openConnection, preparedMax } from "../../../../src/store/maria/MariadbConnection.ts"
import { settingsOf } from "../../../support/storeLayers.ts"

let connection: Connection
beforeAll(async () => {
  connection = await openConnection(
    settingsOf(inject("databaseUrl")),
    { statementTimeoutMs: 30_000 },
    new AbortController().signal
  )
})
afterAll(() => connection?.end())

/** Statements of this connection that the server keeps. */
const keptByServer = async (): Promise<number> => {
  const count = async (what: string) =>
    Number((await connection.rows(`SHOW SESSION STATUS LIKE 'Com_stmt_${what}'`))[0]?.[1])
  return (await count("prepare")) - (await count("close"))
}

describe("statements of look-ups", () => {
  it("are prepared once each, while they are few", async () => {
    const ask = () => connection.read("SELECT ? + 1", [1])
    await ask()
    await keptByServer()
    const before = await keptByServer()
    for (let count = 0; count < 10; count++) assert.deepStrictEqual(await ask(), [[2]])
    assert.strictEqual(await keptByServer(), before)
  })
  it("are kept so many at most, and the first ones answer still", async () => {
    const texts = Array.from({ length: 2 * preparedMax }, (_, n) => `SELECT ? + ${n}`)
    for (const [n, text] of texts.entries()) assert.deepStrictEqual(await connection.read(text, [1]), [[1 + n]])
    const kept = await keptByServer()
    assert.isAtMost(kept, preparedMax + preparedMax / 4)
    for (const [n, text] of texts.entries()) assert.deepStrictEqual(await connection.read(text, [2]), [[2 + n]])
    assert.isAtMost(await keptByServer(), preparedMax + preparedMax / 4)
  })
})
