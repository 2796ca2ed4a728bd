// Verifies R-ACT-2, R-ACT-3, R-ACT-4.
/**
 * Two tenants whose rows are locked in MariaDB, with thousands of requests waiting for them, and a third
 * one that must not notice.
 */
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "shr"
const slow = ["shr-a", "shr-b"]
const quick = "shr-c"
const another = "shr-d"
let database: FreshDatabase
let service: Service
let client: Client
let flood: Client
let locker: Connection

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: {
      CM_DB_CONNECTIONS: "6",
      CM_TENANT_REQUESTS_IN_FLIGHT: "256",
      // A quarter of them is for the administrator's account, from which nearly all is asked: 600.
      CM_REQUESTS_IN_FLIGHT_MAX: "2400",
      // Whoever waits for a row waits until it is given free, however slow the machine.
      CM_DB_LOCK_TIMEOUT: "30 seconds",
      CM_DB_TIMEOUT: "60 seconds",
      CM_REQUEST_TIMEOUT: "2 minutes"
    }
  })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 60_000 })
  flood = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 120_000 })
  for (const tenantId of [...slow, quick, another]) {
    assert.strictEqual((await client.admin("tenants.create", { tenantId })).status, 201)
    assert.strictEqual((await client.ask(tenantId, "application.register", { appName: tenantId })).status, 201)
  }
  locker = await connectSql(database.url)
})
afterAll(async () => {
  await locker?.end()
  await flood?.close()
  await client?.close()
  await service?.stop()
  await database?.drop()
})

const provision = async (tenantId: string, endpointId: string) =>
  (await client.ask(tenantId, "token.provision", { appName: tenantId, endpointId })).body.tokenId as string

const lock = async (tenantIds: ReadonlyArray<string>) => {
  await locker.beginTransaction()
  await locker.query(
    `SELECT * FROM tenant_counters WHERE tenant_id IN (${tenantIds.map(() => "?").join()}) FOR UPDATE`,
    [...tenantIds]
  )
}

const statuses = (answers: ReadonlyArray<Answer>) => {
  const counts = new Map<number, number>()
  for (const { status } of answers) counts.set(status, (counts.get(status) ?? 0) + 1)
  return counts
}

/** How many of these got no place by now, and how many were answered in any other way. */
const soFar = (asked: ReadonlyArray<Promise<Answer>>): { readonly refused: number; readonly ended: number } => {
  const count = { refused: 0, ended: 0 }
  for (const one of asked) {
    void one.then(
      ({ status }) => {
        if (status === 429) count.refused++
        else count.ended++
      },
      () => {
        count.ended++
      }
    )
  }
  return count
}

it("a third tenant's revocations are answered in time while two tenants' requests wait for their rows", async () => {
  const tokens: Array<string> = []
  for (let n = 0; n < 10; n++) tokens.push(await provision(quick, `e${n}`))
  // All of it is over before whoever waits for a row gives up, in half a minute.
  const kept = tokens.splice(5)
  const revokeInMs = async (tokenId: string): Promise<number> => {
    const from = performance.now()
    const answer = await client.ask(quick, "token.revoke", { tokenId })
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    return performance.now() - from
  }
  const quiet: Array<number> = []
  for (let n = 0; n < 5; n++) quiet.push(await revokeInMs(await provision(quick, `quiet${n}`)))
  await lock([...slow, another])
  const waiting = slow.flatMap((tenantId) =>
    Array.from({ length: 2_100 }, (_, n) =>
      flood.ask(tenantId, n % 3 === 0 ? "token.revoke" : "token.provision", {
        ...(n % 3 === 0 ? { tokenId: tokens[0] } : { appName: tenantId, endpointId: `e${n}` })
      })
    )
  )
  const flooded = soFar(waiting)
  await flood.nc.flush()
  const times: Array<number> = []
  for (const tokenId of tokens) times.push(await revokeInMs(tokenId))
  // Were its turn always a second late, when whatever waits begins, none of them would be quicker. A machine that takes
  // long for one beside nothing takes longer beside so much.
  assert.isBelow(Math.min(...times), Math.max(1_000, 10 * Math.min(...quiet)))
  for (const operation of ["token.list", "credential.list", "application.list"]) {
    assert.strictEqual((await client.ask(quick, operation)).status, 200)
  }
  assert.strictEqual(flooded.ended, 0, "all of them were answered while whoever of the two has a place waits")
  // Another one takes every place that is left for who asks, but for those kept for what takes a right away.
  const rest = Array.from({ length: 200 }, (_, n) =>
    flood.ask(another, "token.provision", { appName: another, endpointId: `e${n}` })
  )
  const more = soFar(rest)
  await eventually(
    () => more.refused,
    (refused) => refused > 0,
    { limitMs: 120_000, what: "that all places are taken" }
  )
  const none = await client.ask(quick, "token.list")
  assert.deepStrictEqual([none.status, none.body.error?.details?.limit], [429, "requestsInFlight"])
  for (const tokenId of kept) {
    const answer = await client.ask(quick, "token.revoke", { tokenId })
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
  }
  assert.strictEqual((await client.ask(quick, "token.list")).status, 429)
  assert.deepStrictEqual([flooded.ended, more.ended], [0, 0], "the others wait still")
  await locker.rollback()
  const others = statuses(await Promise.all(rest))
  assert.isAbove(others.get(201) ?? 0, 0, JSON.stringify([...others]))
  const answers = await Promise.all(waiting)
  const counts = statuses(answers)
  assert.isAbove(counts.get(429) ?? 0, 3_000, JSON.stringify([...counts]))
  const refused = answers.find(({ status }) => status === 429)!
  assert.deepStrictEqual(refused.body.error.details, { limit: "requestsInFlight", retryAfterMs: 1_000 })
  // Nothing is left behind: all go on.
  for (const tenantId of [...slow, another]) assert.isString(await provision(tenantId, "after"))
}, 300_000)

it("one consumer that asks for many tenants leaves room for others", async () => {
  const many = Array.from({ length: 24 }, (_, n) => `shr-m${n}`)
  for (const tenantId of many) assert.strictEqual((await client.admin("tenants.create", { tenantId })).status, 201)
  const tokenId = await provision(quick, "many")
  const locked = many.slice(0, 3)
  await lock(locked)
  const waiting = many.flatMap((tenantId) =>
    Array.from({ length: 250 }, () => flood.ask(tenantId, "credential.get.mail", { service_name: "none" }))
  )
  const stuck = soFar(waiting.slice(0, locked.length * 250))
  await flood.nc.flush()
  const answer = await client.ask(quick, "token.provision", { appName: quick, endpointId: "m" })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  assert.strictEqual((await client.ask(quick, "token.revoke", { tokenId })).status, 200)
  assert.strictEqual(stuck.ended, 0, "whoever of those that are locked has a place waits still")
  await locker.rollback()
  assert.isAbove(statuses(await Promise.all(waiting)).get(429) ?? 0, 0)
}, 300_000)

it("a tenant's own limits hold from the answer that gives them on", async () => {
  const tenantId = "shr-own"
  assert.strictEqual((await client.admin("tenants.create", { tenantId })).status, 201)
  assert.strictEqual((await client.ask(tenantId, "application.register", { appName: tenantId })).status, 201)
  const configure = async (limits: Record<string, number | null>) =>
    assert.strictEqual((await client.admin("tenants.configure", { tenantId, limits })).status, 200)
  await configure({ tokens: 1, batchItems: 2, credentials: 1 })
  const ask = (endpointId: string) => client.ask(tenantId, "token.provision", { appName: tenantId, endpointId })
  const three = { tokenIds: ["a", "b", "c"], targetStatus: "Revoked" }
  const batch = await client.ask(tenantId, "token.transition-batch", three)
  assert.deepStrictEqual([batch.status, batch.body.error?.details?.path], [400, "tokenIds"])
  const first = await ask("one")
  assert.strictEqual(first.status, 201)
  const refused = await ask("two")
  assert.deepStrictEqual([refused.code, refused.body.error.details], ["LIMIT_REACHED", { limit: "tokens", max: 1 }])
  const store = (service_name: string) =>
    client.ask(tenantId, "credential.store", { service_name, type: "api_key", credentials: { api_key: "k" } })
  assert.strictEqual((await store("one")).status, 201)
  assert.deepStrictEqual((await store("two")).body.error.details, { limit: "credentials", max: 1 })
  assert.strictEqual((await client.ask(tenantId, "token.revoke", { tokenId: first.body.tokenId })).status, 200)
  assert.strictEqual((await ask("two")).status, 201)
  await configure({ tokens: null })
  assert.strictEqual((await ask("three")).status, 201)
})
