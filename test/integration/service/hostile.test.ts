// Verifies R-BUS-2.
/** P6: no malformed or hostile message harms anyone else. */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "hos"
const { random, seed } = seededRandom("hostile")
let database: FreshDatabase
let service: Service
let client: Client

const mutate = (bytes: Uint8Array, random: () => number): Uint8Array => {
  const copy = Array.from(bytes)
  const times = 1 + Math.floor(random() * 4)
  for (let i = 0; i < times; i++) {
    const at = Math.floor(random() * (copy.length + 1))
    const what = random()
    if (what < 0.4) copy[at] = Math.floor(random() * 256)
    else if (what < 0.6) copy.splice(at, 1 + Math.floor(random() * 8))
    else if (what < 0.8) copy.splice(at, 0, ...Array.from({ length: 3 }, () => Math.floor(random() * 256)))
    else copy.length = at
  }
  return Uint8Array.from(copy.map((byte) => byte ?? 0))
}

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  await client.ask("demo", "application.register", { appName: "app" })
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
})

const encoded = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const uuid = "01900000-0000-7000-8000-000000000000"
const requests: Record<string, Uint8Array> = {
  [`kaa.v1.service.${instance}.ecap.ep-token-request`]: ecap.ValidationRequest.toBuffer({
    correlationId: "hostile",
    timestamp: 1_700_000_000_000,
    timeout: 0,
    appName: "app",
    token: "abcdefghij"
  }),
  [`kaa.v1.service.${instance}.ecap.ep-token-status-transition-request`]: ecap.TransitionRequest.toBuffer({
    correlationId: "hostile",
    timestamp: 1_700_000_000_000,
    timeout: 0,
    appName: "app",
    token: "abcdefghij",
    targetStatus: "Suspended"
  }),
  ...Object.fromEntries(
    Object.entries({
      "application.register": { appName: "other" },
      "application.list": { limit: 5 },
      "application.remove": { appName: "never-there" },
      "token.provision": { appName: "app", endpointId: "e", expiresDate: "2099-01-01T00:00:00.000Z" },
      "token.provision-batch": { appName: "app", items: [{ endpointId: "e" }, { endpointId: "f" }] },
      "token.get": { tokenId: uuid },
      "token.list": { appName: "app", status: ["Active"], order: "ASC", limit: 3 },
      "token.transition": { tokenId: uuid, targetStatus: "Revoked", expectedVersion: 1 },
      "token.suspend": { appName: "app", token: "abc" },
      "token.activate": { tokenId: uuid },
      "token.revoke": { tokenId: uuid, reason: "because" },
      "token.transition-batch": { tokenIds: [uuid], targetStatus: "Active" },
      "token.rotate": { tokenId: uuid, overlap: "PT5M" },
      "token.delete": { endpointId: "nobody" },
      "token.validate": { appName: "app", token: "abc", dryRun: true },
      "token.validate-batch": { items: [{ appName: "app", token: "abc" }] }
    }).map(([operation, body]) => [`${instance}.v1.demo.${operation}`, encoded(body)])
  ),
  ...Object.fromEntries(
    Object.entries({
      "tenants.list": { limit: 2 },
      "tenants.create": { tenantId: "hostile-1", name: "x" },
      "tenants.remove": { tenantId: "never-there" },
      health: {},
      ready: {},
      metrics: {},
      "config.show": {}
    }).map(([operation, body]) => [`${instance}.admin.v1.${operation}`, encoded(body)])
  )
}
const events: Record<string, Uint8Array> = Object.fromEntries(
  ["endpoint.lifecycle.unregistered", "endpoint.lifecycle.registered", "tenant.lifecycle.unregistered"].map((type) => [
    `kaa.v1.events.${type.startsWith("tenant") ? "tm" : "epr"}-${instance}.${type}`,
    (type.startsWith("tenant") ? ecap.TenantUnregisteredEvent : ecap.UnregisteredEvent).toBuffer({
      correlationId: "hostile",
      timestamp: 1_700_000_000_000,
      timeout: 0,
      appVersionName: "v",
      endpointId: "nobody",
      tenantId: "never-there",
      originatorReplicaId: "epr"
    })
  ])
)
const mutationsEach = 1_000
const atOnce = 64

describe("a thousand mutated payloads on every subject", () => {
  it.each(Object.keys(requests))("%s answers every one and keeps serving", async (subject) => {
    const sample = requests[subject]!
    let next = 0
    const callers = Array.from({ length: atOnce }, async () => {
      while (next++ < mutationsEach) {
        const answer = await client.administrator.request(subject, mutate(sample, random), { timeout: 60_000 })
        assert.notStrictEqual(answer.headers?.get("Cm-Status"), "500", `SEED=${seed} ${answer.string()}`)
      }
    })
    await Promise.all(callers)
    assert.strictEqual((await client.validate("app", "nobody-has-this")).statusCode, 404)
  })

  it("listeners drop what they cannot read, and keep serving", async () => {
    for (const [subject, sample] of Object.entries(events)) {
      for (let i = 0; i < mutationsEach; i++) client.nc.publish(subject, mutate(sample, random))
      await client.nc.flush()
    }
    // As another replica would say it, and then a little otherwise. What is whole is obeyed: of a tenant nobody has.
    const from = "two.0123456789abcdef"
    const internal: Record<string, Uint8Array> = Object.fromEntries(
      Object.entries({
        apply: {
          from,
          id: 7,
          revocations: [
            {
              tenantId: "nobody-is-this-tenant",
              seq: 3,
              targets: [
                { kind: "token", tokenId: uuid, appName: "a", cacheKey: "ab", version: 2, usableUntil: null },
                { kind: "application", appName: "a" },
                { kind: "settings", limits: { tokens: 5 } },
                { kind: "tenant" }
              ]
            }
          ]
        },
        "ack.one": { from, id: 7 },
        appear: { from, tenantId: "nobody-is-this-tenant", targets: [{ kind: "application", appName: "a" }] },
        "in-force": { from, tenantIds: ["nobody-is-this-tenant"] }
      }).map(([leaf, message]) => [`${instance}.internal.v1.${leaf}`, encoded(message)])
    )
    const heard: Array<string> = []
    const ear = client.nc.subscribe(`${instance}.internal.v1.ack.two.0123456789abcdef`, {
      callback: (_, message) => void heard.push(message.string())
    })
    for (const [subject, sample] of Object.entries(internal)) {
      client.nc.publish(subject, sample)
      for (let i = 0; i < mutationsEach; i++) client.nc.publish(subject, mutate(sample, random))
    }
    await eventually(
      () => heard.length,
      (count) => count > 0,
      { what: "the service obeying the whole message: it came near a real one" }
    )
    ear.unsubscribe()
    await client.nc.flush()
    assert.strictEqual((await client.admin("health")).status, 200)
    assert.notInclude(service.output(), '"level":"fatal"')
  })

  it("nothing of it was a bug", () => {
    assert.notMatch(service.output(), /"level":"error"/u)
  })
})
