/**
 * A consumer in another NATS account, known by its service import: the server names the account, and
 * nobody inside the service's own account can pass for one. Verifies: R-SEC-5.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect, headers, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Server, startNats, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "imp"
const folder = temporaryFolder()
/** Two accounts may ask for secrets of the tenant `demo`; each names the subject as it likes. */
const config = `
host: 127.0.0.1
port: $CM_NATS_PORT
max_payload: 8MB
jetstream { store_dir: "${join(folder.path, "js")}" }
accounts {
  CM {
    jetstream: enabled
    users: [{ user: service, password: s }, { user: inside, password: s }]
    exports: [{ service: "${instance}.v1.demo.credential.get", accounts: [ACME, OTHER] }]
  }
  ACME {
    users: [{ user: acme, password: a }]
    imports: [{ service: { account: CM, subject: "${instance}.v1.demo.credential.get" }, to: "secrets.get", share: true }]
  }
  OTHER {
    users: [{ user: other, password: o }]
    imports: [{ service: { account: CM, subject: "${instance}.v1.demo.credential.get" }, to: "secrets.get", share: true }]
  }
}
`
let nats: Server
let database: FreshDatabase
let service: Service
let inside: Client
const outside: Array<NatsConnection> = []

beforeAll(async () => {
  const configFile = join(folder.path, "nats.conf")
  writeFileSync(configFile, config)
  nats = await startNats({ dir: join(folder.path, "nats"), configFile, env: {} })
  database = await freshDatabase(inject("databaseUrl"))
  const env = { NATS_USER: "service", NATS_PASSWORD: "s" }
  service = await startService({ natsUrl: nats.url, databaseUrl: database.url, instance, env })
  inside = await connectClient({ natsUrl: nats.url, instance, user: "inside", password: "s" })
})
afterAll(async () => {
  await Promise.all(outside.map((nc) => nc.close()))
  await inside?.close()
  await service?.stop()
  await nats?.stop()
  await database?.drop()
  folder.remove()
})

const askFrom = async (user: string, pass: string, credential_id: string, given: Record<string, string> = {}) => {
  const nc = await connect({ servers: nats.url, user, pass })
  outside.push(nc)
  const sent = headers()
  for (const [name, value] of Object.entries(given)) sent.set(name, value)
  const answer = await nc.request("secrets.get", JSON.stringify({ credential_id }), { timeout: 10_000, headers: sent })
  return answer.json<{ readonly credentials?: unknown; readonly error?: { readonly code: string } }>()
}

it("hands a secret to the account that is named, to no other, and to nobody who says to be it", async () => {
  const stored = await inside.ask("demo", "credential.store", {
    service_name: "outlook",
    type: "api_key",
    credentials: { api_key: "k" },
    allowed_consumers: ["account:ACME"]
  })
  const { credential_id } = stored.body
  assert.deepStrictEqual((await askFrom("acme", "a", credential_id)).credentials, { api_key: "k" })
  assert.strictEqual((await askFrom("other", "o", credential_id)).error?.code, "CONSUMER_NOT_ALLOWED")
  const forged = { "Nats-Request-Info": '{"acc":"ACME","rtt":1}' }
  assert.strictEqual((await askFrom("other", "o", credential_id, forged)).error?.code, "CONSUMER_NOT_ALLOWED")
  const within = await inside.ask("demo", "credential.get", { credential_id }, forged)
  assert.strictEqual(within.code, "CONSUMER_NOT_ALLOWED")
  const rows = (await inside.ask("demo", "audit.list", { entityId: credential_id })).body.content
  assert.deepStrictEqual(
    rows.map((row: { actor: string; action: string }) => `${row.actor} ${row.action}`).slice(0, 3),
    ["bus credential.stored", "account:ACME credential.read", "account:OTHER credential.refused"]
  )
})
