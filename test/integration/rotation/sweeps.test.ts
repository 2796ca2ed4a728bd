// Verifies R-EVT-3, R-TOK-4, R-TOK-7.
/** What the sweeps do, seen from outside: two replicas as processes on real servers. */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { RevokedEvent } from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { inTime, reached } from "../../support/inTime.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "sweeps"
let database: FreshDatabase
let one: Service
let two: Service
let client: Client

interface Heard {
  readonly subject: string
  readonly at: number
  readonly id: string
  readonly tokenId: string | undefined
  readonly version: string
}
const heard: Array<Heard> = []
interface Revoked {
  readonly appName: string
  readonly endpointId: string
  readonly tokenIds: ReadonlyArray<string>
}
const revoked: Array<Revoked> = []

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const options = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance }
  one = await startService({ ...options, replica: "one" })
  two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  client.nc.subscribe(`${instance}.events.v1.demo.>`, {
    callback: (_error, msg) => {
      heard.push({
        subject: msg.subject,
        at: Date.now(),
        id: msg.headers?.get("Nats-Msg-Id") ?? "",
        tokenId: (msg.json() as { tokenId?: string }).tokenId,
        version: msg.headers?.get("ce-entityversion") ?? ""
      })
    }
  })
  client.nc.subscribe(`kaa.v1.events.${instance}.endpoint.token.revoked`, {
    callback: (_error, msg) => {
      revoked.push(RevokedEvent.fromBuffer(Buffer.from(msg.data)) as Revoked)
    }
  })
  await client.nc.flush()
  assert.strictEqual((await client.ask("demo", "application.register", { appName: "meters" })).status, 201)
})
afterAll(async () => {
  await client?.close()
  await Promise.all([one?.stop(), two?.stop()])
  await database?.drop()
})

const expiredOf = (tokenIds: ReadonlyArray<string>) =>
  heard.filter(({ subject, tokenId }) => subject.endsWith(".token.expired") && tokenIds.includes(tokenId ?? ""))

describe("the sweeps", () => {
  it("announce an expiry within 5 s, once, and the row says so", async () => {
    const { expiresAt, tokens } = await inTime(async (lifeMs) => {
      const expiresAt = Date.now() + lifeMs
      const items = Array.from({ length: 300 }, (_, n) => ({
        endpointId: `expiring-${n}`,
        expiresDate: new Date(expiresAt).toISOString()
      }))
      const { body } = await client.ask("demo", "token.provision-batch", { appName: "meters", items })
      if (Date.now() >= expiresAt) return undefined
      const tokens = (body.results as ReadonlyArray<{ readonly tokenId: string }>).map(({ tokenId }) => tokenId)
      assert.strictEqual(new Set(tokens).size, items.length)
      return { expiresAt, tokens }
    })
    await reached(expiresAt)
    // How long the machine takes just then for what is a tenth of the way of such an event.
    let slowestMs = 0
    const events = await eventually(
      async () => {
        const asked = performance.now()
        await client.ask("demo", "token.get", { tokenId: tokens[0] })
        slowestMs = Math.max(slowestMs, performance.now() - asked)
        return expiredOf(tokens)
      },
      (found) => found.length >= tokens.length,
      { what: "an event for each token" }
    )
    assert.strictEqual(events.length, tokens.length)
    assert.strictEqual(new Set(events.map(({ id }) => id)).size, tokens.length)
    const latest = Math.max(...events.map(({ at }) => at))
    assert.isAtMost(latest - expiresAt, 5_000 + 10 * slowestMs, "the last event came later than 5 s after the expiry")
    assert.isAtLeast(Math.min(...events.map(({ at }) => at)), expiresAt, "an event came before the expiry")
    const { body: record } = await client.ask("demo", "token.get", { tokenId: tokens[0] })
    assert.strictEqual(record.status, "Revoked")
  })

  it("delete the tokens of a removed application, one revocation an endpoint, and then its name is free again", async () => {
    const appName = "short-lived"
    assert.strictEqual((await client.ask("demo", "application.register", { appName })).status, 201)
    const endpoints = 200
    const items = Array.from({ length: 3 * endpoints }, (_, n) => ({ endpointId: `orphan-${n % endpoints}` }))
    const { body } = await client.ask("demo", "token.provision-batch", { appName, items })
    const made = body.results as ReadonlyArray<{
      readonly tokenId: string
      readonly token: string
      readonly endpointId: string
    }>
    const [first] = made
    const removed = await client.ask("demo", "application.remove", { appName })
    assert.deepStrictEqual([removed.status, removed.body], [200, { deleted: items.length }])
    assert.strictEqual((await client.validate(appName, first!.token)).statusCode, 404)
    await eventually(
      () => client.ask("demo", "application.register", { appName }).then(({ status }) => status),
      (status) => status === 201,
      { limitMs: 120_000, what: "the name to be free" }
    )
    assert.strictEqual((await client.ask("demo", "token.get", { tokenId: first!.tokenId })).status, 404)
    const deleted = await eventually(
      () => heard.filter(({ subject }) => subject.endsWith(".token.deleted")),
      (found) => found.length >= items.length,
      { limitMs: 120_000, what: "an event for each token" }
    )
    assert.strictEqual(new Set(deleted.map(({ tokenId }) => tokenId)).size, items.length)
    assert.strictEqual(deleted.length, items.length)
    const told = await eventually(
      () => revoked.filter((event) => event.appName === appName),
      (found) => found.flatMap(({ tokenIds }) => tokenIds).length >= items.length,
      { limitMs: 120_000, what: "a revocation of each token" }
    )
    assert.deepStrictEqual(
      told.map(({ endpointId, tokenIds }) => [endpointId, tokenIds.toSorted()]).toSorted(),
      Array.from(
        Map.groupBy(made, ({ endpointId }) => endpointId),
        ([endpointId, ofEndpoint]) => [endpointId, ofEndpoint.map(({ tokenId }) => tokenId).toSorted()]
      ).toSorted()
    )
  })
})
