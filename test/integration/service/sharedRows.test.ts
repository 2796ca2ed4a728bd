// Verifies R-SEC-30.
/**
 * Rows that all replicas read, planted or changed by somebody who can write to the database: replicas that run go on for
 * every tenant, and one that starts meanwhile starts.
 */
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, beforeEach, describe, inject, it, vi } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const instance = "sharedrows"
/** So soon that what a replica cannot read any more is missed at once. */
const env = { CM_KEYS_RELOAD: "1 second", CM_KEYS_ACTIVATION: "15 seconds", CM_OUTBOX_TERM_TTL: "2 seconds" }
let database: FreshDatabase
let raw: Connection
let client: Client
let one: Service
let two: Service

const start = (replica: string, keyFile?: string) =>
  startService({
    ...{ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, replica, env },
    ...(keyFile === undefined ? {} : { keyFile })
  })

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  raw = await connectSql(database.url)
  one = await start("one")
  two = await start("two", one.keyFile)
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  assert.strictEqual((await client.ask("demo", "application.register", { appName: "app" })).status, 201)
})
afterAll(async () => {
  await client?.close()
  await Promise.all([one?.stop(), two?.stop()])
  await raw?.end()
  await database?.drop()
})

let endpoints = 0
/** Whoever of the replicas is asked: a new token is good, a revoked one is not, and their events leave. */
const works = async () => {
  for (let time = 0; time < 4; time++) {
    const token = await client.ask("demo", "token.provision", { appName: "app", endpointId: `e${endpoints++}` })
    assert.strictEqual(token.status, 201, JSON.stringify(token.body))
    assert.strictEqual((await client.validate("app", token.body.token)).statusCode, 200)
    const revoked = await client.ask("demo", "token.revoke", { tokenId: token.body.tokenId })
    assert.strictEqual(revoked.status, 200, JSON.stringify(revoked.body))
    assert.strictEqual((await client.validate("app", token.body.token)).statusCode, 410)
    assert.strictEqual((await client.validate("app", `unknown${endpoints}`)).statusCode, 404)
  }
  const waiting = async () => Number((await raw.query("SELECT COUNT(*) AS n FROM outbox"))[0].n)
  await eventually(waiting, (count) => count === 0, { limitMs: 60_000, what: "all events having left" })
}
const restartTwo = async () => {
  await two.stop()
  two = await start("two", one.keyFile)
}

describe("a key", () => {
  beforeEach(() => works())

  interface Planted {
    readonly id: number
    readonly tenant?: string
    readonly master?: string
    readonly createdAt?: string
    readonly isEmpty?: boolean
  }
  const plant = (purpose: string, { createdAt = "1", id, isEmpty, master, tenant }: Planted) =>
    raw.query(
      `INSERT INTO data_keys (key_id, purpose, tenant_id, state, master_key_id, wrapped, created_at)
        SELECT ?, ?, ?, 'retiring', COALESCE(?, master_key_id), IF(?, '', wrapped), ? FROM data_keys LIMIT 1`,
      [Buffer.alloc(16, id), purpose, tenant ?? null, master ?? null, isEmpty === true, createdAt]
    )

  it("that makes no sense, does not open or names a master key that there is none of, ends no start and no work", async () => {
    await plant("tenant-data", { id: 1, tenant: "spoiled", createdAt: "9007199254740993" })
    await plant("tenant-data", { id: 2, tenant: "spoiled", master: "unheard" })
    const purposes = ["token-hash", "seal", "fingerprint", "row-tag", "replica-seal", "audit-signing", "nothing"]
    for (const [at, purpose] of purposes.entries()) {
      await plant(purpose, { id: 10 + at })
      await plant(purpose, { id: 20 + at, master: "unheard", createdAt: "-9223372036854775808" })
      await plant(purpose, { id: 30 + at, isEmpty: true })
    }
    const tells = () => [one, two].map(({ output }) => output().includes("a key does not open and no row needs it"))
    const toldOfRemembered = () =>
      [one, two].map(({ output }) => output().includes("what was remembered under such a one"))
    for (const told of [tells, toldOfRemembered]) {
      await eventually(told, (both) => both.every((is) => is), { limitMs: 60_000, what: "both having told it" })
    }
    await works()
    await restartTwo()
    await works()
    const signed = await client.admin("audit.sign", { tenantId: "demo" })
    assert.strictEqual(signed.status, 200, JSON.stringify(signed.body))
    for (const { output } of [one, two]) {
      assert.notMatch(output(), /keys could not be read again|"loop":"keys"|neither signed nor judged/u)
    }
  })
})

describe("what says who does the work that replicas share", () => {
  const stranger = "replica_id = 'stranger', expires_at"
  it.each([
    ["a term for years", `UPDATE relay_term SET term = term + 1, ${stranger} = 4102444800000`],
    ["a term without an end", `UPDATE relay_term SET term = 18446744073709551615, ${stranger} = 9223372036854775807`],
    ["no term at all", "DELETE FROM relay_term"],
    ["claims of sweeps for years", `UPDATE sweep_claims SET ${stranger} = 4102444800000`],
    ["claims of sweeps without an end", `UPDATE sweep_claims SET ${stranger} = 9223372036854775807`]
  ])("is %s: the work goes on, and a replica that starts takes part", async (_, spoil) => {
    await works()
    await raw.query(spoil)
    // Whoever held it goes on for a while without a look at the row.
    const strangers = async () =>
      Number(
        (
          await raw.query(`SELECT (SELECT COUNT(*) FROM relay_term WHERE replica_id = 'stranger')
            + (SELECT COUNT(*) FROM sweep_claims WHERE sweep = 'removal' AND replica_id = 'stranger') AS n`)
        )[0].n
      )
    const removed = async () => {
      const appName = `gone${endpoints++}`
      assert.strictEqual((await client.ask("demo", "application.register", { appName })).status, 201)
      assert.strictEqual((await client.ask("demo", "application.remove", { appName })).status, 200)
      return appName
    }
    // Nobody claims a sweep that has nothing to do.
    await eventually(
      () => removed().then(strangers),
      (count) => count === 0,
      {
        limitMs: 60_000,
        what: "the work being taken back"
      }
    )
    await works()
    const appName = await removed()
    const rows = async () =>
      Number((await raw.query("SELECT COUNT(*) AS n FROM applications WHERE app_name = ?", [appName]))[0].n)
    await eventually(rows, (count) => count === 0, { limitMs: 60_000, what: "the sweep of what was removed" })
    await restartTwo()
    await works()
  })

  it("is a place in a stream that no stream came to: events leave", async () => {
    await works()
    await raw.query("UPDATE relay_position SET sequence = 18446744073709551615")
    // Whoever relays next reads it.
    await raw.query("UPDATE relay_term SET term = term + 1, replica_id = NULL, expires_at = 0")
    await works()
  })
})

describe("a row with a number that no count came to", () => {
  const planted = `INSERT INTO outbox (id, tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at)
    VALUES (?, 'spoiled', REPEAT('e', 16), 0, 's', 'k', '{}', '', 9223372036854775807)`
  const changes = () => client.ask("demo", "token.provision", { appName: "app", endpointId: `e${endpoints++}` })

  it.each(["18446744073709551615", "9007199254740993", "9007199254740991"])(
    "%s in the outbox, and gone again at once or not: every tenant's changes are done again soon",
    async (id) => {
      for (const isGone of [false, true]) {
        await works()
        await raw.query(planted, [id])
        if (isGone) await raw.query("DELETE FROM outbox WHERE tenant_id = 'spoiled'")
        await eventually(changes, ({ status }) => status === 201, { limitMs: 60_000, what: "a change that is done" })
        await works()
        await raw.query("DELETE FROM outbox_aside")
      }
    }
  )

  it("of a turn at a provider: the next turns are counted on from those before", async () => {
    const next = async () =>
      Number(
        (
          await raw.query(`SELECT CAST(LEAST(AUTO_INCREMENT, 9007199254740991) AS SIGNED) AS n
          FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'provider_turns'`)
        )[0].n
      )
    await raw.query(`INSERT INTO provider_turns (turn_id, lane, taken_at, held_until)
      VALUES (7, REPEAT('l', 16), 1, 0), (18446744073709551615, REPEAT('l', 16), 1, 0)`)
    await eventually(next, (number) => number === 9, { limitMs: 60_000, what: "the next number" })
    const rows: ReadonlyArray<{ readonly id: bigint }> = await raw.query(
      "SELECT turn_id AS id FROM provider_turns ORDER BY 1"
    )
    assert.deepStrictEqual(
      rows.map(({ id }) => Number(id)),
      [7, 8]
    )
  })
})
