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

  const plant = (purpose: string, change: { tenant?: string; master?: string; createdAt?: string; id: number }) =>
    raw.query(
      `INSERT INTO data_keys (key_id, purpose, tenant_id, state, master_key_id, wrapped, created_at)
        SELECT ?, ?, ?, 'retiring', COALESCE(?, master_key_id), wrapped, ? FROM data_keys LIMIT 1`,
      [Buffer.alloc(16, change.id), purpose, change.tenant ?? null, change.master ?? null, change.createdAt ?? "1"]
    )

  it("that makes no sense, does not open or names a master key that there is none of, ends no start and no work", async () => {
    await plant("tenant-data", { id: 1, tenant: "spoiled", createdAt: "9007199254740993" })
    await plant("tenant-data", { id: 2, tenant: "spoiled", master: "unheard" })
    for (const [at, purpose] of ["token-hash", "seal", "fingerprint", "row-tag", "replica-seal", "nothing"].entries()) {
      await plant(purpose, { id: 10 + at })
      await plant(purpose, { id: 20 + at, master: "unheard", createdAt: "-9223372036854775808" })
    }
    const tells = () => [one, two].map(({ output }) => output().includes("a key does not open and no row needs it"))
    await eventually(tells, (both) => both.every((is) => is), { limitMs: 60_000, what: "both having told it" })
    await works()
    await restartTwo()
    await works()
    for (const { output } of [one, two]) assert.notMatch(output(), /keys could not be read again|"loop":"keys"/u)
  })
})
