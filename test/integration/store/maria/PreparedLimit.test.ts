// Verifies R-BUS-10, R-DUR-4.
/**
 * A server that prepares no more statements, since it keeps `max_prepared_stmt_count` of them for whoever uses it: what it
 * cannot prepare fails and is carried out nowhere, what was prepared before goes on, and the process lives.
 */
import { Cause, Effect, Exit, Layer, ManagedRuntime } from "effect"
import type { Connection as SqlConnection } from "mariadb"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { type Connection, openConnection } from "../../../../src/store/maria/MariadbConnection.ts"
import { StoreConfig } from "../../../../src/store/maria/StoreConfig.ts"
import type { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { connectSql } from "../../../support/freshDatabase.ts"
import { type Server, startMariadb, temporaryFolder } from "../../../support/servers.ts"
import { settingsOf } from "../../../support/storeLayers.ts"

const folder = temporaryFolder()
const keptMax = 4
let server: Server
let connection: Connection
let other: SqlConnection
const uncaught: Array<unknown> = []
const hear = (bug: unknown) => void uncaught.push(bug)

beforeAll(async () => {
  server = await startMariadb({ dir: `${folder.path}/mariadb`, args: [`--max-prepared-stmt-count=${keptMax}`] })
  other = await connectSql(server.url)
  await other.query("CREATE TABLE kept (id INT PRIMARY KEY)")
  connection = await openConnection(
    settingsOf(server.url),
    { statementTimeoutMs: 30_000 },
    new AbortController().signal
  )
}, 300_000)
afterAll(async () => {
  await connection?.end()
  await other?.end()
  await server?.stop()
  folder.remove()
})

const errnoOf = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    (answer) => ({ answer }),
    (cause: { readonly errno?: number }) => cause.errno
  )

const insert = "INSERT INTO kept (id) VALUES (?)"
const notHeard = () => undefined

describe("a statement that the server cannot prepare any more", () => {
  it("fails alone: what was prepared before is answered, nothing is carried out in its place, and no process ends", async () => {
    const known = (value: number) => connection.read("SELECT ? + 1, 'known'", [value])
    // As many as it keeps.
    await other.prepare("SELECT 1")
    assert.deepStrictEqual(await known(1), [[2, "known"]])
    connection.begin()
    await connection.commitWith([{ sql: insert, values: [1] }], notHeard)
    assert.deepStrictEqual(await connection.read("SELECT ? + 2, 'last'", [1]), [[3, "last"]])
    const bug = new Promise((resolve) => process.once("uncaughtException", resolve))
    process.on("uncaughtException", hear)
    const asked = Promise.all([
      errnoOf(connection.read("SELECT ? + 3, 'alone'", [1])),
      known(2),
      errnoOf(connection.read("SELECT ? + 4, 'beside others'", [1])),
      known(3)
    ])
    assert.deepStrictEqual(await Promise.race([asked, bug]), [1461, [[3, "known"]], 1461, [[4, "known"]]])
    assert.strictEqual(await errnoOf(connection.rows("SELECT ? + 5, 'in its order'", [1])), 1461)
    connection.begin()
    const both = [2, 3].map((id) => ({ sql: insert, values: [id] }))
    assert.strictEqual(await errnoOf(connection.commitWith(both, notHeard)), 1461)
    await connection.rollback()
    process.off("uncaughtException", hear)
    assert.deepStrictEqual(uncaught, [])
    // One place is free again.
    await other.end()
    other = await connectSql(server.url)
    assert.deepStrictEqual(await connection.read("SELECT ? + 3, 'alone'", [1]), [[4, "alone"]])
    assert.deepStrictEqual(Array.from(await other.query({ sql: "SELECT id FROM kept", rowsAsArray: true })), [[1]])
  }, 300_000)
  it("is not done for certain where it is the end of a transaction, and those that are known go on", async () => {
    await other.query("DELETE FROM kept")
    const database = ManagedRuntime.make(
      Mariadb.layer.pipe(Layer.provide(Layer.succeed(StoreConfig, settingsOf(server.url, { connections: 1 }))))
    )
    const write = (...ids: ReadonlyArray<number>) =>
      database.runPromiseExit(
        Mariadb.use(({ transaction }) =>
          transaction("test", () =>
            Effect.succeed({ value: ids.length, wrote: true, last: ids.map((id) => ({ sql: insert, values: [id] })) })
          )
        )
      )
    await connection.end()
    assert.deepStrictEqual(await write(1), Exit.succeed(1))
    while ((await errnoOf(other.prepare(`SELECT ${Math.random()}`))) !== 1461);
    const exit = await write(2, 3)
    assert.strictEqual(Exit.isFailure(exit) && (Cause.squash(exit.cause) as StoreUnavailable).outcome, "none")
    assert.deepStrictEqual(await write(4), Exit.succeed(1))
    assert.deepStrictEqual(Array.from(await other.query({ sql: "SELECT id FROM kept", rowsAsArray: true })), [[1], [4]])
    await database.dispose()
  }, 300_000)
})
