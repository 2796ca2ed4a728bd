// Verifies R-RUN-17.
/** How the schema is brought up to date, by one replica or many. */
import { readFileSync } from "node:fs"
import { type AddressInfo, connect, createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Logger, References } from "effect"
import { inject } from "vitest"
import { preparedMax } from "../../../../src/store/maria/MariadbConnection.ts"
import { knownMigrations, type Migration, migrate } from "../../../../src/store/maria/Migrations.ts"
import { StoreConfig, type StoreSettings } from "../../../../src/store/maria/StoreConfig.ts"
import { eventually } from "../../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../../support/freshDatabase.ts"
import { settingsOf } from "../../../support/storeLayers.ts"

type Raw = Awaited<ReturnType<typeof connectSql>>

const inDatabase = async (use: (database: FreshDatabase, raw: Raw) => Promise<void>): Promise<void> => {
  const database = await freshDatabase(inject("databaseUrl"))
  const raw = await connectSql(database.url)
  try {
    await use(database, raw)
  } finally {
    await raw.end()
    await database.drop()
  }
}

const run = (database: FreshDatabase, steps?: ReadonlyArray<Migration>, others: Partial<StoreSettings> = {}) =>
  Effect.runPromiseExit(
    Effect.provideService(migrate(steps), StoreConfig, StoreConfig.of(settingsOf(database.url, others)))
  )

const doneOf = (exit: Exit.Exit<number, unknown>): number => {
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(Cause.pretty(exit.cause))
}
const reasonOf = (exit: Exit.Exit<number, unknown>): string => (Exit.isSuccess(exit) ? "" : Cause.pretty(exit.cause))

const recorded = async (raw: Raw): Promise<ReadonlyArray<number>> =>
  ((await raw.query("SELECT number FROM schema_migrations ORDER BY number")) as ReadonlyArray<{ number: number }>).map(
    (row) => row.number
  )

const step = (number: number, sql: string): Migration => ({ number, name: `step_${number}`, sql })
const table = (name: string) => `CREATE TABLE ${name} (id INT PRIMARY KEY)`

describe("a start", () => {
  it("warns where its connections could keep more statements prepared than the server keeps", () =>
    inDatabase(async (database, raw) => {
      const [row] = (await raw.query("SELECT @@max_prepared_stmt_count AS most")) as ReadonlyArray<{ most: bigint }>
      const fit = Math.floor(Number(row!.most) / preparedMax) - 1
      const said: Array<string> = []
      const collect = Logger.make(({ message }) => void said.push(String(message)))
      const start = (connections: number) => {
        const settings = StoreConfig.of(settingsOf(database.url, { connections, lookupConnections: 1 }))
        return Effect.runPromise(
          migrate([]).pipe(Effect.provideService(StoreConfig, settings), Effect.provide(Logger.layer([collect])))
        )
      }
      await start(fit)
      const before = said.length
      await start(fit + 1)
      assert.lengthOf(said, 2 * before + 1)
      assert.include(said.at(-1), `less than the ${preparedMax * (fit + 2)} statements`)
    }))
})

describe("migrations", () => {
  it("are one statement each, numbered upwards", () => {
    const known = knownMigrations()
    assert.isAtLeast(known.length, 14)
    for (const { name, sql } of known) assert.notInclude(sql.replaceAll(/'[^']*'/gu, ""), ";", name)
  })

  it("count the client credentials that were there before they were counted", () =>
    inDatabase(async (database, raw) => {
      doneOf(
        await run(
          database,
          knownMigrations().filter(({ number }) => number < 480)
        )
      )
      await raw.query("INSERT INTO tenant_counters (tenant_id) VALUES ('acme'), ('empty')")
      for (const status of [0, 1, 2, 3]) {
        await raw.query(
          `INSERT INTO client_credentials (credential_id, tenant_id, kind, name_hash, status, version, created_at,
             updated_at, created_by, updated_by) VALUES (?, 'acme', 0, ?, ?, 1, 0, 0, 'a', 'a')`,
          [Buffer.alloc(16, status), Buffer.alloc(32, status), status]
        )
      }
      doneOf(await run(database))
      const rows = await raw.query("SELECT tenant_id, live_clients FROM tenant_counters ORDER BY tenant_id")
      assert.deepStrictEqual(
        Array.from(rows as ReadonlyArray<{ tenant_id: string; live_clients: bigint }>, (row) => [
          row.tenant_id,
          Number(row.live_clients)
        ]),
        [
          ["acme", 3],
          ["empty", 0]
        ]
      )
    }))

  it("keep every text in a collation that compares bytes", () =>
    inDatabase(async (database, raw) => {
      doneOf(await run(database))
      const rows = await raw.query(
        `SELECT table_name, column_name, collation_name FROM information_schema.columns
          WHERE table_schema = ? AND collation_name IS NOT NULL AND collation_name <> 'utf8mb4_nopad_bin'`,
        [database.name]
      )
      assert.deepStrictEqual(Array.from(rows), [])
    }))

  it("run once, whoever starts how often", () =>
    inDatabase(async (database, raw) => {
      const known = knownMigrations()
      const done = await Promise.all(Array.from({ length: 5 }, () => run(database)))
      assert.strictEqual(
        done.map(doneOf).reduce((sum, count) => sum + count, 0),
        known.length
      )
      assert.deepStrictEqual(
        await recorded(raw),
        known.map(({ number }) => number)
      )
      assert.strictEqual(doneOf(await run(database)), 0)
    }))

  it("wait for another replica's, and say so when it takes too long", () =>
    inDatabase(async (database, raw) => {
      const [{ lock }] = await raw.query("SELECT CONCAT('cm-migrate-', SHA1(DATABASE())) AS `lock`")
      await raw.query("SELECT GET_LOCK(?, 0)", [lock])
      assert.include(
        reasonOf(await run(database, undefined, { migrationWait: Duration.seconds(1) })),
        "another replica has been migrating"
      )
      const waiting = run(database)
      await eventually(
        async (): Promise<ReadonlyArray<unknown>> =>
          await raw.query("SELECT id FROM information_schema.processlist WHERE db = ? AND state = 'User lock'", [
            database.name
          ]),
        (waiters) => waiters.length > 0,
        { what: "a replica that waits for the lock" }
      )
      const tables = await raw.query("SHOW TABLES")
      assert.strictEqual(tables.length, 0)
      await raw.query("SELECT RELEASE_LOCK(?)", [lock])
      assert.isAbove(doneOf(await waiting), 0)
    }))

  it("go on behind the last step that succeeded", () =>
    inDatabase(async (database, raw) => {
      const broken = [step(1, table("one")), step(2, "CREATE TABLE two (id NONSENSE)"), step(3, table("three"))]
      assert.isTrue(Exit.isFailure(await run(database, broken)))
      assert.deepStrictEqual(await recorded(raw), [1])
      assert.strictEqual(
        doneOf(await run(database, [broken[0], step(2, table("two")), broken[2]] as ReadonlyArray<Migration>)),
        2
      )
      assert.deepStrictEqual(await recorded(raw), [1, 2, 3])
    }))

  it("may be interrupted between a step and its record", () =>
    inDatabase(async (database, raw) => {
      const known = knownMigrations()
      doneOf(await run(database))
      for (const { number } of known) await raw.query("DELETE FROM schema_migrations WHERE number = ?", [number])
      assert.strictEqual(doneOf(await run(database)), known.length)
    }))

  it("keep nobody for long from a table that somebody else has open, say so, and go on when it is free", () =>
    inDatabase(async (database, raw) => {
      doneOf(await run(database, [step(1, table("one"))]))
      const [reader, writer] = [await connectSql(database.url), await connectSql(database.url)]
      const said: Array<string> = []
      const collect = Logger.make(({ fiber, message }) => {
        said.push(`${message} ${JSON.stringify(fiber.getRef(References.CurrentLogAnnotations))}`)
      })
      try {
        await reader.query("BEGIN")
        await reader.query("SELECT * FROM one")
        // It would wait for as long as the reader does; the test does not.
        await writer.query("SET SESSION lock_wait_timeout = 60")
        const settings = StoreConfig.of(settingsOf(database.url, { migrationWait: Duration.minutes(2) }))
        const steps = [step(1, table("one")), step(2, "ALTER TABLE one ADD COLUMN more INT NOT NULL DEFAULT 0")]
        const migrating = Effect.runPromiseExit(
          migrate(steps).pipe(Effect.provideService(StoreConfig, settings), Effect.provide(Logger.layer([collect])))
        )
        for (let id = 1; id <= 2; id++) {
          await eventually(
            async (): Promise<ReadonlyArray<unknown>> =>
              await raw.query(
                `SELECT id FROM information_schema.processlist
                  WHERE db = ? AND info LIKE 'ALTER%' AND state = 'Waiting for table metadata lock'`,
                [database.name]
              ),
            (waiting) => waiting.length > 0,
            { what: "a step that waits for the table" }
          )
          await writer.query("INSERT INTO one (id) VALUES (?)", [id])
        }
        assert.deepStrictEqual(await recorded(raw), [1])
        assert.include(said.join("\n"), "schema step 2 (step_2)")
        assert.include(said.join("\n"), "somebody else has its table open")
        await reader.query("COMMIT")
        assert.strictEqual(doneOf(await migrating), 1)
        assert.deepStrictEqual(await recorded(raw), [1, 2])
      } finally {
        await reader.end()
        await writer.end()
      }
    }))

  it("wait for the table of steps, too, when a step is done and somebody else lets nobody write there", () =>
    inDatabase(async (database, raw) => {
      doneOf(await run(database, [step(1, table("one"))]))
      const said: Array<string> = []
      const collect = Logger.make(({ fiber }) => {
        said.push(JSON.stringify(fiber.getRef(References.CurrentLogAnnotations)))
      })
      await raw.query("LOCK TABLES schema_migrations READ")
      const settings = StoreConfig.of(settingsOf(database.url, { migrationWait: Duration.minutes(2) }))
      const migrating = Effect.runPromiseExit(
        migrate([step(1, table("one")), step(2, table("two"))]).pipe(
          Effect.provideService(StoreConfig, settings),
          Effect.provide(Logger.layer([collect]))
        )
      )
      const ended = migrating.then(() => true)
      await eventually(
        () => Promise.race([ended, said.some((text) => text.includes("record of schema step 2"))]),
        Boolean,
        { what: "a step that waits to be recorded" }
      )
      await raw.query("UNLOCK TABLES")
      assert.strictEqual(doneOf(await migrating), 1)
      assert.deepStrictEqual(await recorded(raw), [1, 2])
    }))

  it("give up a table that somebody else has open for too long, in words that say whom to look for", () =>
    inDatabase(async (database, raw) => {
      doneOf(await run(database, [step(1, table("one"))]))
      await raw.query("BEGIN")
      await raw.query("SELECT * FROM one")
      const steps = [step(1, table("one")), step(2, "ALTER TABLE one ADD COLUMN more INT")]
      const reason = reasonOf(await run(database, steps, { migrationWait: Duration.seconds(2) }))
      assert.include(reason, "had the table open for 2s that schema step 2 (step_2) changes: SHOW PROCESSLIST names it")
      await raw.query("COMMIT")
      assert.strictEqual(doneOf(await run(database, steps)), 1)
    }))

  it("refuse a database that a newer program has migrated", () =>
    inDatabase(async (database, raw) => {
      // A step that was made later need not have the greater number.
      const steps = [step(1, table("one")), step(2, table("two")), step(3, table("three")), step(4, table("four"))]
      doneOf(await run(database, steps))
      assert.include(
        reasonOf(await run(database, [steps[0]!, steps[2]!])),
        "the database has the schema steps 2 (step_2), 4 (step_4), which this program does not know: " +
          'a newer release migrated it. Start that release; "Going back" in docs/operations.md says how to return'
      )
      assert.include(
        reasonOf(await run(database, [...steps.slice(0, 3), { ...steps[3]!, name: "another" }])),
        "the schema steps 4 (step_4), which"
      )
      const page = readFileSync(new URL("../../../../docs/operations.md", import.meta.url), "utf8")
      assert.match(page, /^\*\*Going back\.\*\* /mu)
      assert.deepStrictEqual(await recorded(raw), [1, 2, 3, 4])
    }))

  it("go back to an older program where the record of the newer steps is taken away, and forward again", () =>
    inDatabase(async (database, raw) => {
      const known = knownMigrations()
      const [newer, former] = [known.slice(-3), known.slice(0, -3)]
      doneOf(await run(database, former))
      const columns = async () =>
        (
          (await raw.query(
            `SELECT table_name AS t, column_name AS c, column_type AS k, is_nullable AS n, column_default AS d
            FROM information_schema.columns WHERE table_schema = ? AND table_name <> 'schema_migrations' ORDER BY t, c`,
            [database.name]
          )) as ReadonlyArray<Record<string, unknown>>
        ).map((row) => JSON.stringify(row))
      const before = await columns()
      const said: Array<string> = []
      const collect = Logger.make(({ message }) => void said.push(String(message)))
      const settings = StoreConfig.of(settingsOf(database.url, {}))
      const done = await Effect.runPromise(
        migrate().pipe(Effect.provideService(StoreConfig, settings), Effect.provide(Logger.layer([collect])))
      )
      assert.strictEqual(done, 3)
      const after = await columns()
      // What the older one reads is all there, as it was.
      assert.includeMembers(after, before)
      const named = newer.map(({ name, number }) => `${number} (${name})`).join(", ")
      assert.include(said, `schema steps done: ${named}; replicas of the release before go on, and do not start again`)
      assert.include(reasonOf(await run(database, former)), `the schema steps ${named}, which`)
      await raw.query("DELETE FROM schema_migrations WHERE number IN (?)", [newer.map(({ number }) => number)])
      assert.strictEqual(doneOf(await run(database, former)), 0)
      assert.strictEqual(doneOf(await run(database)), 3)
      assert.deepStrictEqual(await columns(), after)
      assert.deepStrictEqual(
        await recorded(raw),
        known.map(({ number }) => number)
      )
    }))

  it("do no harm when all of them are run again", () =>
    inDatabase(async (database, raw) => {
      const { length } = knownMigrations()
      doneOf(await run(database))
      const shown = async () => {
        const rows = (await raw.query("SHOW TABLES")) as ReadonlyArray<Record<string, string>>
        const made: Array<string> = []
        for (const row of rows) {
          const [shape] = (await raw.query(`SHOW CREATE TABLE ${Object.values(row)[0]}`)) as ReadonlyArray<
            Record<string, string>
          >
          made.push(shape!["Create Table"]!)
        }
        return made
      }
      const before = await shown()
      await raw.query("DELETE FROM schema_migrations")
      assert.strictEqual(doneOf(await run(database)), length)
      assert.deepStrictEqual(await shown(), before)
    }))

  it("wait for a server that takes no connection yet", { timeout: 300_000 }, () =>
    inDatabase(async (database) => {
      const target = new URL(database.url)
      let taken = 0
      const door = createServer((client) => {
        taken += 1
        const turn = taken
        client.on("error", () => undefined)
        // Nobody answers; then it is closed, and then cut off.
        if (turn === 1) return
        if (turn === 2) return void client.end()
        if (turn === 3) return void client.resetAndDestroy()
        const server = connect(Number(target.port), target.hostname)
        server.on("error", () => undefined)
        client.pipe(server).pipe(client)
      })
      await new Promise<void>((done) => door.listen(0, "127.0.0.1", done))
      const url = Object.assign(new URL(database.url), { port: String((door.address() as AddressInfo).port) }).href
      try {
        assert.isAbove(doneOf(await run({ ...database, url }, undefined, { connectTimeout: Duration.seconds(5) })), 0)
        assert.isAtLeast(taken, 4)
      } finally {
        door.close()
      }
    })
  )

  it("wait for no longer than they are given, and say what was last seen", async () => {
    const exit = await run({ url: "mariadb://u:p@127.0.0.1:1/x" } as FreshDatabase, undefined, {
      connectLimit: Duration.seconds(1)
    })
    assert.include(reasonOf(exit), "MariaDB took no connection within 1s, last ECONNREFUSED: check DATABASE_URL")
  })

  it("do not wait for a server that refuses the user or lacks the database", { timeout: 300_000 }, () =>
    inDatabase(async (database) => {
      const stranger = Object.assign(new URL(database.url), { password: "another" }).href
      const elsewhere = Object.assign(new URL(database.url), { pathname: "/nowhere" }).href
      for (const [url, code] of [
        [stranger, "ER_ACCESS_DENIED_ERROR"],
        [elsewhere, /ER_BAD_DB_ERROR|ER_DBACCESS_DENIED_ERROR/u]
      ] as const) {
        // Asked once: whoever would ask again says for how long it did.
        const asked = { connectLimit: Duration.zero, connectTimeout: Duration.minutes(1) }
        const reason = reasonOf(await run({ ...database, url }, undefined, asked))
        assert.match(reason, new RegExp(code, "u"))
        assert.notInclude(reason, "took no connection")
      }
    })
  )
})
