// Verifies R-TOK-7, R-BUS-4, R-BUS-5, R-BUS-6.
/** Management from outside: errors in their order, idempotency, paging, tenants and applications, the micro service. */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "mgm"
let database: FreshDatabase
let service: Service
let client: Client

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  assert.strictEqual((await client.ask("demo", "application.register", { appName: "app" })).status, 201)
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
})

describe("errors come in the contract's order", () => {
  const cases: ReadonlyArray<readonly [string, string, unknown, number, string]> = [
    ["bad tenant", "a*b", {}, 400, "INVALID_TENANT"],
    ["unknown operation", "demo", {}, 404, "OPERATION_NOT_FOUND"],
    ["not JSON", "demo", "{", 400, "INVALID_REQUEST"],
    ["unknown field", "demo", { tokenId: "x", typo: 1 }, 400, "INVALID_REQUEST"],
    ["unknown tenant", "nobody", { appName: "app", endpointId: "e" }, 404, "TENANT_NOT_FOUND"],
    ["unknown application", "demo", { appName: "none", endpointId: "e" }, 404, "APPLICATION_NOT_FOUND"],
    ["unknown token", "demo", { tokenId: "00000000-0000-7000-8000-000000000000" }, 404, "TOKEN_NOT_FOUND"],
    ["cursor that is not ours", "demo", { cursor: "zzz" }, 400, "INVALID_CURSOR"],
    ["limit too large", "demo", { limit: 1001 }, 400, "INVALID_REQUEST"]
  ]
  const operations: Record<string, string> = {
    "unknown operation": "token.fly",
    "not JSON": "token.get",
    "unknown field": "token.get",
    "unknown token": "token.get",
    "cursor that is not ours": "token.list",
    "limit too large": "token.list"
  }
  it.each(cases)("%s", async (name, tenant, body, status, code) => {
    const answer = await client.ask(tenant, operations[name] ?? "token.provision", body, { "Correlation-ID": "corr-1" })
    assert.deepStrictEqual([answer.status, answer.code], [status, code], JSON.stringify(answer.body))
    assert.strictEqual(answer.header("Correlation-ID"), "corr-1")
    assert.strictEqual(answer.header("Nats-Service-Error-Code"), String(status))
    assert.match(answer.header("Nats-Service-Error"), new RegExp(`^${code}: `, "u"))
    assert.strictEqual(answer.body.error.correlationId, "corr-1")
  })

  it("a bearer token that nothing here can verify is refused, not passed over", async () => {
    for (const authorization of ["Bearer junk", "Basic YTpi"]) {
      const answer = await client.ask("demo", "token.list", {}, { Authorization: authorization })
      assert.deepStrictEqual([answer.status, answer.code], [401, "UNAUTHENTICATED"])
    }
  })

  it("a repeated removal of a tenant gives the first answer to its key, and 404 to another", async () => {
    await client.admin("tenants.create", { tenantId: "twice" })
    // What is remembered goes with the tenant's row, which waits until nothing of it is left.
    const stored = { service_name: "s", type: "api_key", credentials: { api_key: "s" } }
    assert.strictEqual((await client.ask("twice", "credential.store", stored)).status, 201)
    const headers = { "Idempotency-Key": "remove-twice" }
    const first = await client.admin("tenants.remove", { tenantId: "twice" }, headers)
    const again = await client.admin("tenants.remove", { tenantId: "twice" }, headers)
    assert.deepStrictEqual([first.status, again.status, again.body], [200, 200, first.body])
  })

  it("a request without a reply subject, or with one that is no inbox, is not carried out", async () => {
    const subject = `${instance}.v1.demo.application.register`
    client.administrator.publish(subject, JSON.stringify({ appName: "ghost" }))
    await client.administrator.flush()
    client.nc.publish(subject, JSON.stringify({ appName: "ghost" }), { reply: `${instance}.v1.demo.token.revoke` })
    client.nc.publish(subject, JSON.stringify({ appName: "ghost" }), { reply: "$JS.API.STREAM.PURGE.X" })
    await client.nc.flush()
    const list = await client.ask("demo", "application.list")
    assert.notInclude(
      list.body.content.map((application: { appName: string }) => application.appName),
      "ghost"
    )
  })
})

describe("idempotency", () => {
  it("gives the first answer again, the token's value included, and does nothing twice", async () => {
    const body = { appName: "app", endpointId: "idem" }
    const headers = { "Idempotency-Key": "k1" }
    const first = await client.ask("demo", "token.provision", body, headers)
    const second = await client.ask("demo", "token.provision", body, headers)
    assert.strictEqual(first.status, 201)
    assert.deepStrictEqual(second.body, first.body)
    assert.strictEqual(second.status, 201)
    const other = await client.ask("demo", "token.provision", { ...body, endpointId: "other" }, headers)
    assert.deepStrictEqual([other.status, other.code], [422, "IDEMPOTENCY_KEY_REUSED"])
    const list = await client.ask("demo", "token.list", { endpointId: "idem" })
    assert.lengthOf(list.body.content, 1)
  })

  it("a hundred at once with one key provision one token", async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () =>
        client.ask("demo", "token.provision", { appName: "app", endpointId: "storm" }, { "Idempotency-Key": "storm" })
      )
    )
    assert.strictEqual(new Set(answers.map((answer) => answer.body.token)).size, 1)
    assert.lengthOf((await client.ask("demo", "token.list", { endpointId: "storm" })).body.content, 1)
  })
})

describe("lists", () => {
  it("page through everything once, in order, while rows come and go", async () => {
    const made = await client.ask("demo", "token.provision-batch", {
      appName: "app",
      items: Array.from({ length: 57 }, (_, n) => ({ endpointId: `page-${n}` }))
    })
    assert.lengthOf(made.body.results, 57)
    const ids: ReadonlyArray<string> = made.body.results.map(({ tokenId }: { tokenId: string }) => tokenId)
    const newestFirst = ids.toSorted().toReversed()
    const seen: Array<string> = []
    const [shown, ahead, atTheEdge] = [newestFirst[19]!, newestFirst[40]!, newestFirst[20]!]
    let cursor: string | undefined
    do {
      const page = await client.ask("demo", "token.list", { appName: "app", limit: 10, ...(cursor ? { cursor } : {}) })
      assert.strictEqual(page.status, 200, JSON.stringify(page.body))
      seen.push(...page.body.content.map((record: { tokenId: string }) => record.tokenId))
      cursor = page.body.nextCursor
      if (seen.length !== 20) continue
      // One that was shown, one that is to come, the very next one; and new ones, which come before all.
      for (const tokenId of [shown, ahead, atTheEdge]) await client.ask("demo", "token.delete", { tokenId })
      for (let count = 0; count < 5; count++) {
        await client.ask("demo", "token.provision", { appName: "app", endpointId: `late-${count}` })
      }
    } while (cursor !== undefined)
    assert.strictEqual(new Set(seen).size, seen.length)
    assert.deepStrictEqual(seen, seen.toSorted().toReversed())
    assert.deepStrictEqual(
      seen.filter((tokenId) => ids.includes(tokenId)),
      newestFirst.filter((tokenId) => tokenId !== ahead && tokenId !== atTheEdge)
    )
  })
})

describe("tenants and applications", () => {
  it("an application's name is unique on the platform; removing it takes everything away at once", async () => {
    assert.strictEqual((await client.admin("tenants.create", { tenantId: "acme", name: "Acme" })).status, 201)
    const again = await client.admin("tenants.create", { tenantId: "acme" })
    assert.deepStrictEqual([again.status, again.code], [409, "TENANT_EXISTS"])
    assert.strictEqual((await client.ask("acme", "application.register", { appName: "pumps" })).status, 201)
    assert.strictEqual((await client.ask("acme", "application.register", { appName: "pumps" })).status, 200)
    const claimed = await client.ask("demo", "application.register", { appName: "pumps" })
    assert.deepStrictEqual([claimed.status, claimed.code], [409, "APPLICATION_EXISTS"])
    const tokens = await client.ask("acme", "token.provision-batch", {
      appName: "pumps",
      items: Array.from({ length: 5 }, (_, n) => ({ endpointId: `pump-${n}` }))
    })
    const values: ReadonlyArray<{ token: string; tokenId: string }> = tokens.body.results
    for (const { token } of values) assert.strictEqual((await client.validate("pumps", token)).statusCode, 200)
    const removed = await client.ask("acme", "application.remove", { appName: "pumps" })
    assert.deepStrictEqual([removed.status, removed.body], [200, { deleted: 5 }])
    for (const { token, tokenId } of values) {
      assert.strictEqual((await client.validate("pumps", token)).statusCode, 404)
      assert.strictEqual((await client.ask("acme", "token.get", { tokenId })).status, 404)
    }
    await eventually(
      () => client.ask("demo", "application.register", { appName: "pumps" }),
      (answer) => answer.status === 201,
      { limitMs: 120_000 }
    )
  })

  it("removing a tenant stops it at once; the tenant global cannot be removed and has no applications", async () => {
    await client.admin("tenants.create", { tenantId: "brief" })
    await client.ask("brief", "application.register", { appName: "brief-app" })
    const { body } = await client.ask("brief", "token.provision", { appName: "brief-app", endpointId: "e" })
    assert.strictEqual((await client.validate("brief-app", body.token)).statusCode, 200)
    assert.strictEqual((await client.admin("tenants.remove", { tenantId: "brief" })).status, 200)
    assert.strictEqual((await client.validate("brief-app", body.token)).statusCode, 404)
    const answer = await client.ask("brief", "token.list")
    assert.deepStrictEqual([answer.status, answer.code], [404, "TENANT_NOT_FOUND"])
    assert.strictEqual((await client.admin("tenants.remove", { tenantId: "global" })).status, 403)
    assert.strictEqual((await client.ask("global", "application.register", { appName: "g" })).status, 403)
  })
})

describe("operators", () => {
  it("health, ready and metrics answer; the micro service shows itself", async () => {
    assert.strictEqual((await client.admin("health")).status, 200)
    await eventually(
      () => client.admin("ready"),
      ({ status }) => status === 200,
      { what: "the service being ready" }
    )
    const metrics = await client.admin("metrics")
    assert.match(String(metrics.body), /cm_/u)
    const ping = await client.nc.request("$SRV.PING.credential-management", "", { timeout: 60_000 })
    assert.strictEqual(ping.json<{ type: string }>().type, "io.nats.micro.v1.ping_response")
  })
})
