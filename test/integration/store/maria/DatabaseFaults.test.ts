// Verifies R-DUR-4, R-BUS-10.
/** What the stores do when the database is slow, away, or stops in the middle. */

import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Layer, ManagedRuntime } from "effect"
import type { Connection } from "mariadb"
import { afterAll, beforeAll, inject } from "vitest"
import { committingsMax } from "../../../../src/store/maria/Committings.ts"
import { fromSession, Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { openConnection } from "../../../../src/store/maria/MariadbConnection.ts"
import * as MariaStores from "../../../../src/store/maria/MariaStores.ts"
import { StoreConfig, type StoreSettings } from "../../../../src/store/maria/StoreConfig.ts"
import type { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { emptyLoad, noChanges, TenantStore } from "../../../../src/store/TenantStore.ts"
import { TokenLookup } from "../../../../src/store/TokenLookup.ts"
import { auditedBy } from "../../../support/auditedBy.ts"
import { eventually } from "../../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../../support/freshDatabase.ts"
import { type Server, startMariadb, temporaryFolder } from "../../../support/servers.ts"
import { statementProxy } from "../../../support/statementProxy.ts"
import { aHash, aName, aTenant, aToken, insert, look, transact } from "../../../support/storeFixtures.ts"
import { settingsOf } from "../../../support/storeLayers.ts"

type Stores = Layer.Success<typeof MariaStores.layer>

const runtimeOf = (databaseUrl: string, settings: Partial<StoreSettings>) =>
  ManagedRuntime.make(
    MariaStores.layer.pipe(Layer.provide(Layer.succeed(StoreConfig, StoreConfig.of(settingsOf(databaseUrl, settings)))))
  )

const outcomeOf = <A>(exit: Exit.Exit<A, unknown>): string => {
  if (Exit.isSuccess(exit)) return "success"
  const error = Cause.squash(exit.cause) as StoreUnavailable
  return error._tag === "StoreUnavailable" ? error.outcome : inspect(error)
}

/** How an effect ended and how long it took. */
const timed = async (
  runtime: ManagedRuntime.ManagedRuntime<Stores, unknown>,
  effect: Effect.Effect<unknown, unknown, Stores>
) => {
  const start = performance.now()
  const exit = await runtime.runPromiseExit(effect)
  return { outcome: outcomeOf(exit), ms: performance.now() - start, exit }
}

/** A call that gets none of a busy machine in its short time is made again. */
const servesAgain = (
  runtime: ManagedRuntime.ManagedRuntime<Stores, unknown>,
  effect: Effect.Effect<unknown, unknown, Stores>
) =>
  eventually(
    () => timed(runtime, effect),
    ({ outcome }) => outcome === "success",
    { what: "a database that serves again" }
  )

describe("a database that does not answer", () => {
  const folder = temporaryFolder()
  const password = "of-this-test"
  let server: Server
  beforeAll(async () => {
    server = await startMariadb({ dir: folder.path, password })
  })
  afterAll(async () => {
    await server.stop()
    folder.remove()
  })
  const settings = { operationTimeout: Duration.seconds(4), connectTimeout: Duration.seconds(2), connections: 3 }
  /** The machine may have other things to do; what has no end of its own waits for half a minute and more. */
  const slackMs = 20_000

  it("lets every call end in time while it is paused, and serves again afterwards", async () => {
    const runtime = runtimeOf(server.url, settings)
    const { tenantId } = await runtime.runPromise(aTenant)
    const calls: ReadonlyArray<Effect.Effect<unknown, unknown, Stores>> = [
      look(tenantId),
      TenantStore.use((store) => store.createTenant(aName("tenant"), null)),
      TenantStore.use((store) => store.findToken(tenantId, "01890000-0000-7000-8000-000000000001")),
      TokenLookup.use((lookup) => Effect.tryPromise({ try: () => lookup.byHash([aHash()]), catch: (error) => error }))
    ]
    server.kill("SIGSTOP")
    try {
      // More than there are connections: whoever waits for one has no more time than the others.
      const ended = await Promise.all([...calls, ...calls, ...calls].map((call) => timed(runtime, call)))
      for (const { ms, outcome } of ended) {
        assert.strictEqual(outcome, "none")
        assert.isBelow(ms, 1_000 + slackMs)
      }
    } finally {
      server.kill("SIGCONT")
    }
    for (const call of calls) await servesAgain(runtime, call)
    await runtime.dispose()
  })

  it("fails at once while it is away, and serves again when it is back, on new connections", async () => {
    const runtime = runtimeOf(server.url, settings)
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const token = aToken(tenantId, appName)
    await runtime.runPromise(insert([token]))
    server.kill("SIGKILL")
    await server.exited
    const away = await timed(runtime, look(tenantId))
    assert.strictEqual(away.outcome, "none")
    assert.isBelow(away.ms, 1_000 + slackMs)
    server = await startMariadb({ dir: folder.path, password, port: server.port })
    await servesAgain(runtime, look(tenantId, { tokenIds: [token.tokenId] }))
    const found = await runtime.runPromise(TenantStore.use((store) => store.findToken(tenantId, token.tokenId)))
    assert.deepStrictEqual(found, token, "an acknowledged change was lost")
    await runtime.dispose()
  })

  it("stops in time, and does not start, while it is paused", async () => {
    const runtime = runtimeOf(server.url, { ...settings, migrationWait: Duration.seconds(1) })
    await runtime.runPromise(aTenant)
    server.kill("SIGSTOP")
    try {
      const start = performance.now()
      await runtime.dispose()
      assert.isBelow(performance.now() - start, 3_000 + slackMs)
      const another = runtimeOf(server.url, { ...settings, connectLimit: Duration.seconds(1) })
      const exit = await another.runPromiseExit(Effect.void)
      assert.isTrue(Exit.isFailure(exit))
      assert.isBelow(performance.now() - start, 6_000 + slackMs)
    } finally {
      server.kill("SIGCONT")
    }
  })
})

describe("a connection that breaks", () => {
  let database: FreshDatabase
  beforeAll(async () => {
    database = await freshDatabase(inject("databaseUrl"))
  })
  afterAll(() => database.drop())

  const throughProxy = async () => {
    const { hostname, port } = new URL(database.url)
    const proxy = await statementProxy({ host: hostname, port: Number(port) })
    const url = new URL(database.url)
    url.port = String(proxy.port)
    return { proxy, runtime: runtimeOf(url.href, {}) }
  }

  it("leaves the outcome unknown when COMMIT was sent and its answer is lost", async () => {
    const { proxy, runtime } = await throughProxy()
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const [committed, lost] = [aToken(tenantId, appName), aToken(tenantId, appName)]
    const answered = proxy.cutAt("COMMIT", "answered")
    assert.strictEqual((await timed(runtime, insert([committed]))).outcome, "unknown")
    await answered
    const before = proxy.cutAt("COMMIT", "before")
    assert.strictEqual((await timed(runtime, insert([lost]))).outcome, "unknown")
    await before
    const find = (tokenId: string) => runtime.runPromise(TenantStore.use((store) => store.findToken(tenantId, tokenId)))
    assert.deepStrictEqual(await find(committed.tokenId), committed)
    assert.strictEqual(await find(lost.tokenId), undefined)
    const { tenantTokenCount } = await runtime.runPromise(look(tenantId))
    assert.strictEqual(tenantTokenCount, 1)
    await runtime.dispose()
    await proxy.close()
  })

  it("leaves the outcome unknown when it breaks under writes that go with their COMMIT", async () => {
    const { proxy, runtime } = await throughProxy()
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const token = aToken(tenantId, appName)
    await runtime.runPromise(insert([token]))
    const found = () => runtime.runPromise(TenantStore.use((store) => store.findToken(tenantId, token.tokenId)))
    const change = (version: number) =>
      transact(tenantId, { tokenIds: [token.tokenId] }, () => ({ tokensUpdated: [{ ...token, version }] }))
    for (const when of ["before", "answered"] as const) {
      const cut = proxy.cutAt("BEGIN NOT ATOMIC UPDATE tokens", when)
      assert.strictEqual((await timed(runtime, change(2))).outcome, "unknown", when)
      await cut
      if (when === "before") assert.deepStrictEqual(await found(), token)
    }
    // Whatever became of those, the connection that comes next is a good one.
    assert.strictEqual((await timed(runtime, change(7))).outcome, "success")
    assert.strictEqual((await found())?.version, 7)
    await runtime.dispose()
    await proxy.close()
  })

  it("commits all sequences of writes, though one connection sends only so many of them as one", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    const raw = await connectSql(database.url)
    await raw.query("CREATE TABLE sequences (n INT PRIMARY KEY, times INT NOT NULL)")
    const write = (
      n: number,
      others: ReadonlyArray<{ readonly sql: string; readonly values: ReadonlyArray<number> }> = []
    ) =>
      Mariadb.use((db) =>
        db.transaction("test", () => {
          const counted = "ON DUPLICATE KEY UPDATE times = times + 1"
          const one = { sql: `INSERT INTO sequences VALUES (? + 0 * ${n}, 1) ${counted}`, values: [n] }
          return Effect.succeed({ value: undefined, wrote: true, last: [one, ...others] })
        })
      )
    const count = committingsMax + 6
    for (let time = 0; time < 2; time++) {
      for (let n = 0; n < count; n++) assert.strictEqual((await timed(runtime, write(n))).outcome, "success")
    }
    const rows: ReadonlyArray<{ readonly times: number }> = await raw.query("SELECT times FROM sequences")
    assert.deepStrictEqual(
      rows.map(({ times }) => Number(times)),
      Array(count).fill(2)
    )
    const [, compounds] = await runtime
      .runPromise(
        Mariadb.use((db) => db.query("test", (session) => session.rows("SHOW SESSION STATUS LIKE 'Com_compound_sql'")))
      )
      .then(([row]) => row!)
    // What was one too many the first time has a place the second time.
    assert.strictEqual(Number(compounds), count + committingsMax)
    // One that is sent before its COMMIT commits nothing either, where one of its writes fails.
    const twice = { sql: "INSERT INTO sequences VALUES (?, 1)", values: [0] }
    assert.notStrictEqual((await timed(runtime, write(count, [twice]))).outcome, "success")
    assert.lengthOf(await raw.query("SELECT n FROM sequences"), count)
    // What the last writes give back is the value, whether they go with COMMIT or before it.
    await raw.query("CREATE TABLE numbered (id INT AUTO_INCREMENT PRIMARY KEY, n INT NOT NULL)")
    const numbered = (sql: string) =>
      Mariadb.use((db) =>
        db.transaction("test", () =>
          Effect.succeed({
            last: [
              { sql: "UPDATE sequences SET times = times WHERE n = ?", values: [0] },
              { sql, values: [7] }
            ],
            valueFrom: (given) => given.map((row) => row.map(Number))
          })
        )
      )
    const apart = await runtime.runPromise(numbered("INSERT INTO numbered (n) VALUES (?) RETURNING id, n"))
    assert.deepStrictEqual(apart, [[1, 7]])
    assert.lengthOf(await raw.query("SELECT n FROM numbered"), 1)
    await raw.query("DROP TABLE sequences, numbered")
    await raw.end()
    await runtime.dispose()
  })

  it("goes on with what is prepared after another replica has changed the table", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const token = aToken(tenantId, appName)
    await runtime.runPromise(insert([token]))
    const change = (version: number) =>
      transact(tenantId, { tokenIds: [token.tokenId] }, () => ({ tokensUpdated: [{ ...token, version }] }))
    assert.strictEqual((await timed(runtime, change(2))).outcome, "success")
    const raw = await connectSql(database.url)
    await raw.query("ALTER TABLE tokens ADD COLUMN IF NOT EXISTS of_a_later_release INT NULL")
    assert.strictEqual((await timed(runtime, change(3))).outcome, "success")
    await raw.query("ALTER TABLE tokens DROP COLUMN of_a_later_release")
    assert.strictEqual((await timed(runtime, change(4))).outcome, "success")
    const found = await runtime.runPromise(TenantStore.use((store) => store.findToken(tenantId, token.tokenId)))
    assert.strictEqual(found?.version, 4)
    await raw.end()
    await runtime.dispose()
  })

  it("leaves the outcome unknown where a bug of ours comes up as it is committed, and runs nothing again", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    let asked = 0
    const planted = {
      toJSON: () => {
        asked++
        throw new Error("planted")
      }
    } as unknown as string
    const writing = Mariadb.use((db) =>
      db.transaction("test", () =>
        Effect.succeed({ value: undefined, wrote: true, last: [{ sql: "SELECT ?", values: [planted] }] })
      )
    )
    assert.strictEqual((await timed(runtime, writing)).outcome, "unknown")
    assert.strictEqual(asked, 1)
    await runtime.dispose()
  })

  it("has written nothing where the last of the writes that go with their COMMIT fails", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const token = aToken(tenantId, appName)
    await runtime.runPromise(insert([token]))
    const raw = await connectSql(database.url)
    await raw.query(`CREATE TRIGGER refuse BEFORE UPDATE ON tenant_counters FOR EACH ROW
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'`)
    const change = transact(tenantId, { tokenIds: [token.tokenId] }, () => ({
      tokensUpdated: [{ ...token, version: 2 }]
    }))
    assert.notStrictEqual((await timed(runtime, change)).outcome, "success")
    await raw.query("DROP TRIGGER refuse")
    const found = await runtime.runPromise(TenantStore.use((store) => store.findToken(tenantId, token.tokenId)))
    assert.deepStrictEqual(found, token)
    await raw.end()
    await runtime.dispose()
  })

  it("knows that nothing happened when it breaks before COMMIT", async () => {
    const { proxy, runtime } = await throughProxy()
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const cut = proxy.cutAt("INSERT INTO tokens", "before")
    assert.strictEqual((await timed(runtime, insert([aToken(tenantId, appName)]))).outcome, "none")
    await cut
    assert.strictEqual((await runtime.runPromise(look(tenantId))).tenantTokenCount, 0)
    await runtime.dispose()
    await proxy.close()
  })
})

describe("statements that share a round trip", () => {
  let database: FreshDatabase
  beforeAll(async () => {
    database = await freshDatabase(inject("databaseUrl"))
  })
  afterAll(() => database.drop())

  const keep = "INSERT INTO relay_position VALUES (?, 1)"
  const kept = async (raw: Connection, names: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
    const rows: ReadonlyArray<{ stream: string }> = await raw.query(
      "SELECT stream FROM relay_position WHERE stream IN (?) ORDER BY stream",
      [names]
    )
    return rows.map(({ stream }) => stream)
  }

  it("commit by themselves outside of a transaction, on a connection that had one before", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    const raw = await connectSql(database.url)
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const names = Array.from({ length: 3 }, () => aName("stream")).toSorted()
    for (const name of names) {
      await runtime.runPromise(insert([aToken(tenantId, appName)]))
      await runtime.runPromise(Mariadb.use((db) => db.query("test", (session) => session.run(keep, [name]))))
      assert.include(await kept(raw, names), name)
    }
    await raw.end()
    await runtime.dispose()
  })

  it("run in the order in which they were started, prepared before or not", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    const name = aName("stream")
    const rounds = Mariadb.use((db) =>
      db.query("test", (session) =>
        Promise.all([
          session.batch(keep, [[name]]),
          session.rows("SELECT sequence FROM relay_position WHERE stream = ?", [name]),
          session.batch("UPDATE relay_position SET sequence = ? WHERE stream = ?", [[2, name]]),
          session.rows("SELECT sequence FROM relay_position WHERE stream = ?", [name]),
          session.command("DELETE FROM relay_position"),
          session.rows("SELECT sequence FROM relay_position WHERE stream = ?", [name])
        ])
      )
    )
    for (let round = 0; round < 2; round++) {
      const [, inserted, , updated, , deleted] = await runtime.runPromise(rounds)
      assert.deepStrictEqual([inserted, updated, deleted], [[[1]], [[2]], []], `round ${round}`)
    }
    await runtime.dispose()
  })

  it("leave nothing of a transaction that could not be rolled back", async () => {
    const { hostname, port } = new URL(database.url)
    const proxy = await statementProxy({ host: hostname, port: Number(port) })
    const url = new URL(database.url)
    url.port = String(proxy.port)
    const runtime = runtimeOf(url.href, { connections: 1 })
    const raw = await connectSql(database.url)
    const [undone, done] = [aName("stream"), aName("stream")]
    proxy.spoil("ROLLBACK")
    const transaction = Mariadb.use((db) =>
      db.transaction("test", (session) =>
        fromSession(async () => {
          await session.run(keep, [undone])
          return { value: null, wrote: false }
        })
      )
    )
    assert.isTrue(Exit.isFailure(await runtime.runPromiseExit(transaction)))
    await runtime.runPromise(Mariadb.use((db) => db.query("test", (session) => session.run(keep, [done]))))
    assert.deepStrictEqual(await kept(raw, [undone, done]), [done])
    await raw.end()
    await runtime.dispose()
    await proxy.close()
  })
})

describe("transactions that get into each other's way", () => {
  let database: FreshDatabase
  beforeAll(async () => {
    database = await freshDatabase(inject("databaseUrl"))
  })
  afterAll(() => database.drop())

  /** Until a statement on the database that begins so has been running for a while: it waits for a lock. */
  const isWaiting = async (beginning: string): Promise<void> => {
    const raw = await connectSql(database.url)
    await eventually(
      async (): Promise<ReadonlyArray<unknown>> =>
        await raw.query("SELECT id FROM information_schema.processlist WHERE db = ? AND info LIKE ? AND time_ms > 50", [
          database.name,
          `${beginning}%`
        ]),
      (waiting) => waiting.length > 0,
      { what: "a transaction that waits for a lock" }
    ).finally(() => raw.end())
  }

  it("decides again over fresh rows after a deadlock", async () => {
    const runtime = runtimeOf(database.url, {})
    const { tenantId } = await runtime.runPromise(aTenant)
    const contested = aName("app")
    const raw = await connectSql(database.url)
    await raw.query("START TRANSACTION")
    // The foreign transaction has written more, so that ours is the one that the server undoes.
    for (let n = 0; n < 200; n += 1) await raw.query("INSERT INTO relay_position VALUES (?, 1)", [aName("weight")])
    await raw.query("INSERT INTO applications (app_name, tenant_id, created_at) VALUES (?, 'other', 1)", [contested])
    let decided = 0
    const ours = runtime.runPromise(
      transact(tenantId, { appNames: [contested] }, () => {
        decided += 1
        const remembered = { keyHash: `decision ${decided}`, fingerprint: "f", sealedAnswer: new Uint8Array([1]) }
        return {
          applicationsInserted: [contested],
          idempotent: [{ ...remembered, revocationSeq: null, createdAt: 1 }]
        }
      })
    )
    await isWaiting("INSERT INTO applications")
    // Wants the lock that ours holds while ours waits for this one's.
    const crossed = raw.query("SELECT * FROM tenant_counters WHERE tenant_id = ? FOR UPDATE", [tenantId])
    await crossed
    await raw.query("ROLLBACK")
    await ours
    assert.isAtLeast(decided, 2)
    assert.strictEqual(
      (await runtime.runPromise(look(tenantId, { appNames: [contested] }))).applications.get(contested)?.tenantId,
      tenantId
    )
    // Nothing that stood behind the undone statement was carried out by itself.
    const kept: ReadonlyArray<{ key_hash: string }> = await raw.query(
      "SELECT key_hash FROM idempotency WHERE tenant_id = ?",
      [tenantId]
    )
    assert.deepStrictEqual(
      kept.map((row) => row.key_hash),
      [`decision ${decided}`]
    )
    await raw.query("DELETE FROM idempotency WHERE tenant_id = ?", [tenantId])
    await raw.end()
    await runtime.dispose()
  })

  it("gives up in time on a lock that is never released, and has changed nothing", async () => {
    const runtime = runtimeOf(database.url, {
      operationTimeout: Duration.millis(1_500),
      lockWaitTimeout: Duration.seconds(1)
    })
    const patient = runtimeOf(database.url, {})
    const { appName, tenantId } = await patient.runPromise(aTenant)
    const raw = await connectSql(database.url)
    await raw.query("START TRANSACTION")
    await raw.query("SELECT * FROM tenant_counters WHERE tenant_id = ? FOR UPDATE", [tenantId])
    const held = await timed(runtime, insert([aToken(tenantId, appName)]))
    assert.strictEqual(held.outcome, "none")
    assert.isBelow(held.ms, 20_000)
    await raw.query("ROLLBACK")
    assert.strictEqual((await patient.runPromise(look(tenantId))).tenantTokenCount, 0)
    await raw.end()
    await Promise.all([runtime, patient].map((one) => one.dispose()))
  })

  it("do not wait for ever for a replica that vanished in the middle of one", async () => {
    const settings = { operationTimeout: Duration.seconds(3), lockWaitTimeout: Duration.seconds(20) }
    const runtime = runtimeOf(database.url, { ...settings, operationTimeout: Duration.seconds(30) })
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const vanished = await openConnection(
      settingsOf(database.url, settings),
      { statementTimeoutMs: Duration.toMillis(settings.operationTimeout) },
      new AbortController().signal
    )
    await vanished.begin()
    await vanished.rows("SELECT * FROM tenant_counters WHERE tenant_id = ? FOR UPDATE", [tenantId])
    // Its socket stands, and it says nothing more.
    const { outcome } = await timed(runtime, insert([aToken(tenantId, appName)]))
    assert.strictEqual(outcome, "success")
    vanished.giveUp()
    await runtime.dispose()
  })

  it("runs nothing of a transaction after it was rolled back", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    const one = await runtime.runPromise(aTenant)
    const other = await runtime.runPromise(aTenant)
    const taken = aToken(one.tenantId, one.appName)
    await runtime.runPromise(insert([taken]))
    const rows = () =>
      runtime.runPromise(
        Mariadb.use((db) => db.query("test", (session) => session.rows("SELECT COUNT(*) FROM idempotency")))
      )
    // The first use of these statements on this connection: they are prepared while the first one fails.
    const exit = await runtime.runPromiseExit(
      transact(other.tenantId, {}, () => ({
        tokensInserted: [aToken(other.tenantId, other.appName, { hash: taken.hash })],
        idempotent: [
          { keyHash: "k", fingerprint: "f", sealedAnswer: new Uint8Array([1]), revocationSeq: null, createdAt: 1 }
        ]
      }))
    )
    assert.isTrue(Exit.isFailure(exit))
    assert.deepStrictEqual(await rows(), [[0]])
    await runtime.dispose()
  })

  it("rolls back when the caller is interrupted while it waits", async () => {
    const runtime = runtimeOf(database.url, {})
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const raw = await connectSql(database.url)
    await raw.query("START TRANSACTION")
    await raw.query("SELECT * FROM tenant_counters WHERE tenant_id = ? FOR UPDATE", [tenantId])
    const stop = new AbortController()
    const waiting = runtime.runPromiseExit(insert([aToken(tenantId, appName)]), { signal: stop.signal })
    await isWaiting("SELECT c.revocation_seq")
    stop.abort()
    assert.isTrue(Exit.isFailure(await waiting))
    await raw.query("ROLLBACK")
    assert.strictEqual((await runtime.runPromise(look(tenantId))).tenantTokenCount, 0)
    await raw.end()
    await runtime.dispose()
  })
})

describe("what errors say", () => {
  let database: FreshDatabase
  beforeAll(async () => {
    database = await freshDatabase(inject("databaseUrl"))
  })
  afterAll(() => database.drop())

  it("is never a value, a statement or a password", async () => {
    const runtime = runtimeOf(database.url, {})
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const secret = "PLANTED-VALUE"
    const token = aToken(tenantId, appName, { description: secret })
    await runtime.runPromise(insert([token]))
    const exits = [
      await runtime.runPromiseExit(insert([{ ...token, updatedBy: secret }])),
      await runtime.runPromiseExit(insert([aToken(tenantId, appName, { description: secret.repeat(40) })])),
      await runtime.runPromiseExit(insert([aToken(tenantId, appName, { createdBy: `\ud800${secret}`.repeat(40) })]))
    ]
    for (const exit of exits) {
      assert.isTrue(Exit.isFailure(exit))
      const shown = `${inspect(exit, { depth: 12, showHidden: true })}${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""}`
      for (const text of [secret, "INSERT", Buffer.from(token.hash).toString("hex")]) assert.notInclude(shown, text)
    }
    const wrongPassword = new URL(database.url)
    wrongPassword.password = "PLANTED-PASSWORD"
    for (const url of [
      wrongPassword.href,
      "nonsense://PLANTED-PASSWORD",
      "mariadb://u:PLANTED-PASSWORD@127.0.0.1:1/x"
    ]) {
      const exit = await runtimeOf(url, {
        connectTimeout: Duration.millis(500),
        connectLimit: Duration.millis(500)
      }).runPromiseExit(Effect.void)
      assert.isTrue(Exit.isFailure(exit))
      const shown = inspect(exit, { depth: 12, showHidden: true })
      assert.notInclude(shown, "PLANTED-PASSWORD")
      if (url.startsWith("nonsense")) assert.include(shown, "DATABASE_URL is not of the form")
    }
    await runtime.dispose()
  })

  it("writes a group of a hundred in a handful of statements", async () => {
    const runtime = runtimeOf(database.url, { connections: 1 })
    const { appName, tenantId } = await runtime.runPromise(aTenant)
    const questions = Mariadb.use((db) =>
      db.query("test", async (session) => {
        const [row] = await session.rows("SHOW SESSION STATUS LIKE 'Questions'")
        return Number(row?.[1])
      })
    )
    const group = () => {
      const tokens = Array.from({ length: 100 }, () => aToken(tenantId, appName))
      return TenantStore.use((store) =>
        store.transact(
          tenantId,
          {
            ...emptyLoad,
            appNames: [appName],
            tokenHashes: tokens.map((token) => Buffer.from(token.hash).toString("hex")),
            endpointCounts: tokens.map((token) => token.endpointId)
          },
          () => ({
            changes: {
              ...noChanges,
              tokensInserted: tokens,
              audit: tokens.map((token) => ({
                ...auditedBy("bus"),
                action: "token.provisioned",
                entityType: "token",
                entityId: token.tokenId,
                diff: null
              }))
            },
            result: null
          })
        )
      )
    }
    await runtime.runPromise(group())
    const before = await runtime.runPromise(questions)
    await runtime.runPromise(group())
    const after = await runtime.runPromise(questions)
    // The bulk protocol counts each row of a statement; its four statements are sent once each.
    assert.isBelow(after - before, 240)
    await runtime.dispose()
  })
})
