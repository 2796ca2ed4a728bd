// Verifies R-BUS-5, R-ACT-1.
/**
 * An idempotent repetition gives the first answer, byte for byte, whatever has happened since: over the
 * whole table of operations. One that is in neither of the lists below fails this test.
 */
import { createCurve } from "@nats-io/nkeys"
import { headers } from "@nats-io/transport-node"
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "rep"
let database: FreshDatabase
let service: Service
let client: Client
let sql: Connection
let count = 0
const numberOf = async (statement: string): Promise<number> => Number((await sql.query(statement))[0].n)
const fresh = (prefix: string) => `${prefix}-${count++}`

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: { CM_CREDENTIAL_SWEEP_EVERY: "1 minute" }
  })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  sql = await connectSql(database.url)
})
afterAll(async () => {
  await client?.close()
  await sql?.end()
  await service?.stop()
  await database?.drop()
})

/** What changes nothing. */
const reading = new Set([
  "application.list",
  "token.get",
  "token.list",
  "token.validate",
  "token.validate-batch",
  "credential.get",
  "credential.describe",
  "credential.list",
  "credential.history",
  "service.list",
  "audit.list",
  "audit.verify",
  // The head of the very moment.
  "audit.sign",
  "tenants.list",
  "tenants.resolve",
  "keys.list",
  "keys.status",
  "outbox.list",
  "health",
  "ready",
  "metrics",
  "token.revoke-all-status",
  "client-credential.get",
  "client-credential.list",
  "provider.get",
  "provider.list",
  "rotator.get",
  "rotator.list",
  "config.show",
  // Of the replica that answers; a repetition may reach another one.
  "drain"
])

type Body = Record<string, unknown>
interface Case {
  /** Makes what is needed; gives the body, and for refusals the status. */
  readonly body: () => Promise<Body>
  /** What else happens before the repetition. */
  readonly since: (body: Body, answer: Body) => Promise<unknown>
  readonly status?: number
}

const tenant = "demo"
const must = async (operation: string, body: Body, of = tenant): Promise<Body> => {
  const answer =
    operations.find(({ name }) => name === operation)?.family === "admin"
      ? await client.admin(operation, body)
      : await client.ask(of, operation, body)
  assert.isBelow(answer.status, 300, `${operation} ${JSON.stringify(answer.body)}`)
  return answer.body
}
const application = async () => {
  const appName = fresh("app")
  await must("application.register", { appName })
  return appName
}
const token = async (appName?: string) =>
  must("token.provision", { appName: appName ?? (await application()), endpointId: fresh("endpoint") })
const credential = (extra: Body = {}) =>
  must("credential.store", {
    service_name: fresh("service"),
    type: "api_key",
    credentials: { api_key: "secret" },
    allowed_consumers: ["mail"],
    ...extra
  })
const providerBody = (name: string): Body => ({
  name,
  token_url: "https://provider.example/token",
  client_id: "client",
  client_secrets: ["planted"]
})
const sealTo = createCurve().getPublicKey()
const removeToken = (_: Body, { tokenId }: Body) => must("token.delete", { tokenId })
const removeGiven = ({ tokenId }: Body) => must("token.delete", { tokenId })
const removeCredential = ({ credential_id }: Body) => must("credential.delete", { credential_id })
const revokeThenDelete = async ({ credential_id }: Body) => {
  await client.ask(tenant, "credential.revoke", { credential_id, reason: "other" })
  await must("credential.delete", { credential_id })
}

const clientCredential = () =>
  must("client-credential.create-basic", { username: fresh("user"), password: "a password of some length" })
const forClient = (body: Body = {}, before?: string): Case => ({
  body: async () => {
    const { credentialId } = await clientCredential()
    if (before !== undefined) await must(`client-credential.${before}`, { credentialId })
    return { credentialId, ...body }
  },
  since: ({ credentialId }) => must("client-credential.delete", { credentialId })
})

const cases: Readonly<Record<string, ReadonlyArray<Case>>> = {
  "application.register": [
    {
      body: async () => ({ appName: fresh("app") }),
      since: ({ appName }) => must("application.remove", { appName }),
      status: 201
    },
    {
      body: async () => ({ appName: await application() }),
      since: ({ appName }) => must("application.remove", { appName })
    }
  ],
  "application.remove": [
    { body: async () => ({ appName: String((await token()).appName) }), since: () => application() },
    {
      body: async () => ({ appName: fresh("unknown") }),
      since: ({ appName }) => must("application.register", { appName }),
      status: 404
    }
  ],
  "token.provision": [
    {
      body: async () => ({ appName: await application(), endpointId: "e", description: "ä\n🙂" }),
      since: removeToken,
      status: 201
    },
    {
      body: async () => ({ appName: await application(), endpointId: "e", token: fresh("own-value") }),
      since: async ({ appName }) => must("application.remove", { appName }),
      status: 201
    },
    {
      body: async () => ({ appName: fresh("none"), endpointId: "e" }),
      since: ({ appName }) => must("application.register", { appName }),
      status: 404
    }
  ],
  "token.provision-batch": [
    {
      body: async () => ({
        appName: await application(),
        items: [{ endpointId: "a" }, { endpointId: "b", token: "twice" }, { endpointId: "c", token: "twice" }]
      }),
      since: () => must("token.delete", { endpointId: "a" })
    }
  ],
  "token.transition": [
    { body: async () => ({ tokenId: (await token()).tokenId, targetStatus: "Active" }), since: removeGiven },
    {
      body: async () => ({ tokenId: (await token()).tokenId, targetStatus: "Suspended" }),
      since: ({ tokenId }) => must("token.activate", { tokenId }),
      status: 409
    }
  ],
  "token.suspend": [
    {
      body: async () => {
        const { tokenId } = await token()
        await must("token.activate", { tokenId })
        return { tokenId, reason: "x" }
      },
      since: removeGiven
    }
  ],
  "token.activate": [
    {
      body: async () => ({ tokenId: (await token()).tokenId }),
      since: ({ tokenId }) => must("token.revoke", { tokenId })
    }
  ],
  "token.revoke": [
    { body: async () => ({ tokenId: (await token()).tokenId, expectedVersion: 1 }), since: removeGiven }
  ],
  "token.transition-batch": [
    {
      body: async () => ({
        tokenIds: [(await token()).tokenId, "00000000-0000-7000-8000-000000000000"],
        targetStatus: "Revoked"
      }),
      since: ({ tokenIds }) => must("token.delete", { tokenId: (tokenIds as ReadonlyArray<string>)[0] })
    }
  ],
  "token.rotate": [
    {
      body: async () => ({ tokenId: (await token()).tokenId, overlap: "PT10M" }),
      since: async (body, answer) => [await removeGiven(body), await removeToken(body, answer)],
      status: 201
    }
  ],
  "token.delete": [
    { body: async () => ({ tokenId: (await token()).tokenId }), since: () => token() },
    { body: async () => ({ endpointId: String((await token()).endpointId) }), since: () => token() }
  ],
  "token.revoke-all": [
    {
      body: async () => ({ endpointIds: [String((await token()).endpointId)] }),
      since: () => token()
    }
  ],
  "client-credential.create-basic": [
    {
      body: async () => ({ username: fresh("user"), clientId: "c" }),
      since: (_, { credentialId }) => must("client-credential.delete", { credentialId }),
      status: 201
    }
  ],
  "client-credential.create-certificate": [
    {
      body: async () => ({ issuer: fresh("CN=issuer"), serialNumber: "4711" }),
      since: (_, { credentialId }) => must("client-credential.delete", { credentialId }),
      status: 201
    }
  ],
  "client-credential.transition": [forClient({ targetStatus: "Active" })],
  "client-credential.suspend": [forClient({}, "activate")],
  "client-credential.activate": [forClient()],
  "client-credential.revoke": [forClient()],
  "client-credential.delete": [{ ...forClient(), since: () => clientCredential() }],
  "credential.store": [
    {
      body: async () => ({ service_name: fresh("svc"), type: "api_key", credentials: { api_key: "s" } }),
      since: (_, { credential_id }) => must("credential.delete", { credential_id }),
      status: 201
    }
  ],
  "credential.rotate": [
    {
      body: async () => ({
        credential_id: (await credential()).credential_id,
        credentials: { api_key: "new" },
        overlap: "PT1H"
      }),
      since: removeCredential
    }
  ],
  "credential.update": [
    {
      body: async () => ({
        credential_id: (await credential()).credential_id,
        scopes: ["one"],
        metadata: { "10": 1, "2": [1.5, null, { ä: "🙂" }], __proto: true }
      }),
      since: ({ credential_id }) => must("credential.update", { credential_id, scopes: ["two"], metadata: {} })
    },
    {
      body: async () => ({ credential_id: (await credential()).credential_id, scopes: ["one"] }),
      since: revokeThenDelete
    },
    // Nothing changes by it, and it is answered all the same.
    { body: async () => ({ credential_id: (await credential()).credential_id }), since: removeCredential }
  ],
  "credential.revoke": [
    { body: async () => ({ credential_id: (await credential()).credential_id, reason: "r" }), since: removeCredential }
  ],
  "credential.reconnect": [
    {
      body: async () => ({ credential_id: (await credential()).credential_id, credentials: { api_key: "again" } }),
      since: removeCredential
    }
  ],
  "credential.delete": [
    { body: async () => ({ credential_id: (await credential()).credential_id }), since: () => credential() }
  ],
  "provider.put": [
    {
      body: async () => providerBody(fresh("provider")),
      since: ({ name }) => must("provider.delete", { name }),
      status: 201
    },
    {
      body: async () => {
        const body = providerBody(fresh("provider"))
        await must("provider.put", body)
        return body
      },
      since: (body) => must("provider.put", { ...body, client_id: "another" })
    }
  ],
  "provider.delete": [
    {
      body: async () => {
        const name = fresh("provider")
        await must("provider.put", providerBody(name))
        return { name }
      },
      since: ({ name }) => must("provider.put", providerBody(String(name)))
    },
    {
      body: async () => ({ name: fresh("provider") }),
      since: ({ name }) => must("provider.put", providerBody(String(name))),
      status: 404
    }
  ],
  "rotator.put": [
    {
      body: async () => ({ name: fresh("rotator"), seal_to: sealTo }),
      since: ({ name }) => must("rotator.delete", { name }),
      status: 201
    }
  ],
  "rotator.delete": [
    {
      body: async () => {
        const name = fresh("rotator")
        await must("rotator.put", { name, seal_to: sealTo })
        return { name }
      },
      since: ({ name }) => must("rotator.put", { name, seal_to: sealTo })
    },
    {
      body: async () => ({ name: fresh("rotator") }),
      since: ({ name }) => must("rotator.put", { name, seal_to: sealTo }),
      status: 404
    }
  ],
  "service.enable": [
    {
      body: async () => {
        const service_name = fresh("svc")
        await credential({ service_name })
        return { service_name }
      },
      since: ({ service_name }) => must("service.disable", { service_name, reason: "later" })
    }
  ],
  "service.disable": [
    {
      body: async () => {
        const service_name = fresh("svc")
        await credential({ service_name })
        return { service_name, reason: "first" }
      },
      since: ({ service_name }) => must("service.enable", { service_name })
    }
  ],
  "tenants.create": [
    {
      body: async () => ({ tenantId: fresh("tenant"), name: "N" }),
      since: async ({ tenantId }) => must("application.register", { appName: String(tenantId) }, String(tenantId)),
      status: 201
    }
  ],
  "tenants.configure": [
    {
      body: async () => {
        const tenantId = fresh("tenant")
        await must("tenants.create", { tenantId })
        return { tenantId, name: "N", retention: "P7D", limits: { tokens: 5 } }
      },
      since: ({ tenantId }) => must("tenants.configure", { tenantId, name: "M", limits: { tokens: null } })
    },
    {
      body: async () => {
        const tenantId = fresh("tenant")
        await must("tenants.create", { tenantId })
        return { tenantId, name: "N" }
      },
      since: ({ tenantId }) => must("tenants.remove", { tenantId })
    }
  ],
  "tenants.remove": [
    {
      // While its row is there, which waits for its credential.
      body: async () => {
        const tenantId = fresh("tenant")
        await must("tenants.create", { tenantId })
        const stored = { service_name: "s", type: "api_key", credentials: { api_key: "s" } }
        await must("credential.store", stored, tenantId)
        return { tenantId }
      },
      since: () => must("tenants.create", { tenantId: fresh("tenant") })
    },
    {
      // An empty one is gone at once.
      body: async () => {
        const tenantId = fresh("tenant")
        await must("tenants.create", { tenantId })
        return { tenantId }
      },
      since: ({ tenantId }) =>
        eventually(
          () => numberOf(`SELECT COUNT(*) n FROM tenants WHERE tenant_id = '${tenantId}'`),
          (rows) => rows === 0,
          { what: "the tenant's row being gone" }
        )
    }
  ],
  "audit.cut": [
    { body: async () => ({ tenantId: fresh("nobody"), before: 1 }), since: () => must("audit.verify", {}), status: 404 }
  ],
  "audit.accept": [
    {
      body: async () => ({ tenantId: tenant, lost: { seq: 1, hash: "0".repeat(64) }, reason: "r" }),
      since: () => must("audit.verify", {}),
      status: 400
    }
  ],
  "audit.repair": [
    { body: async () => ({ tenantId: tenant, seq: 1 }), since: () => must("audit.verify", {}), status: 400 }
  ],
  "keys.rotate": [{ body: async () => ({}), since: () => must("keys.rotate", {}) }],
  "keys.retire": [{ body: async () => ({ keyId: fresh("unknown") }), since: () => Promise.resolve(), status: 404 }],
  "outbox.release": [
    { body: async () => ({ id: 1_000_000 + count++, action: "drop" }), since: () => Promise.resolve(), status: 404 }
  ]
}

const ask = async (subject: string, body: Body, key: string) => {
  const sent = headers()
  sent.set("Idempotency-Key", key)
  sent.set("Correlation-ID", "the-same")
  const message = await client.administrator.request(subject, JSON.stringify(body), { timeout: 60_000, headers: sent })
  return { status: message.headers?.get("Cm-Status"), bytes: Buffer.from(message.data).toString("utf8") }
}

describe("a repetition", () => {
  it("is tried of every operation that changes something", () => {
    const changing = operations.map(({ name }) => name).filter((name) => !reading.has(name))
    assert.sameMembers(Object.keys(cases), changing)
    assert.isEmpty(Object.keys(cases).filter((name) => reading.has(name)))
  })

  for (const operation of operations.filter(({ name }) => Object.hasOwn(cases, name))) {
    for (const [index, one] of (cases[operation.name] ?? []).entries()) {
      it(`of ${operation.name} gives the first answer, byte for byte, whatever has happened since (${index + 1})`, async () => {
        const subject =
          operation.family === "admin"
            ? `${instance}.admin.v1.${operation.name}`
            : `${instance}.v1.${tenant}.${operation.name}`
        const body = await one.body()
        const key = fresh("key")
        const first = await ask(subject, body, key)
        assert.strictEqual(first.status, String(one.status ?? 200), first.bytes)
        await one.since(body, JSON.parse(first.bytes))
        const again = await ask(subject, body, key)
        assert.deepStrictEqual(again, first)
        assert.strictEqual((await ask(subject, { ...body, other: 1 }, key)).status, "400")
      })
    }
  }
})
