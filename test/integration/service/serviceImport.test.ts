// Verifies R-SEC-5, R-BUS-15.
/**
 * Callers in other NATS accounts, known by their service import: the server names account and user, and
 * nobody can pass for another, wherever from.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect, headers, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { rawNats } from "../../support/rawNats.ts"
import { type Server, startNats, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "imp"
const folder = temporaryFolder()
/** Two accounts may ask for secrets of the tenant `demo`; each names the subject as it likes. */
const config = `
host: 127.0.0.1
port: $CM_NATS_PORT
server_name: $CM_NATS_NAME
max_payload: 8MB
jetstream { store_dir: "${join(folder.path, "js")}" }
accounts {
  CM {
    jetstream: enabled
    users: [{ user: service, password: s }, { user: inside, password: s }]
    exports: [
      { service: "${instance}.v1.demo.credential.get", accounts: [ACME, OTHER] }
      { service: "${instance}.v1.>", accounts: [ADMIN, PLAIN] }
    ]
  }
  ADMIN {
    users: [{ user: anna, password: a }, { user: otto, password: o }]
    imports: [{ service: { account: CM, subject: "${instance}.v1.>" }, share: true }]
  }
  PLAIN {
    users: [{ user: plain, password: p }]
    imports: [{ service: { account: CM, subject: "${instance}.v1.>" } }]
  }
  ACME {
    users: [{ user: acme, password: a }, { user: acme2, password: a }]
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
let anna: Client
let otto: Client
let stored = 0
const outside: Array<NatsConnection> = []

beforeAll(async () => {
  const configFile = join(folder.path, "nats.conf")
  writeFileSync(configFile, config)
  nats = await startNats({ dir: join(folder.path, "nats"), configFile, env: {} })
  database = await freshDatabase(inject("databaseUrl"))
  const env = { NATS_USER: "service", NATS_PASSWORD: "s" }
  service = await startService({ natsUrl: nats.url, databaseUrl: database.url, instance, env })
  const administrator = { natsUrl: nats.url, instance }
  anna = await connectClient({ ...administrator, user: "anna", password: "a" })
  otto = await connectClient({ ...administrator, user: "otto", password: "o" })
  inside = await connectClient({ natsUrl: nats.url, instance, user: "inside", password: "s" })
})
afterAll(async () => {
  await Promise.all(outside.map((nc) => nc.close()))
  await Promise.all([inside, anna, otto].map((client) => client?.close()))
  await service?.stop()
  await nats?.stop()
  await database?.drop()
  folder.remove()
})

interface Asked {
  readonly credentials?: unknown
  readonly error?: { readonly code: string }
}

const askFrom = async (user: string, pass: string, credential_id: string, given: Record<string, string> = {}) => {
  const nc = await connect({ servers: nats.url, user, pass })
  outside.push(nc)
  const sent = headers()
  for (const [name, value] of Object.entries(given)) sent.set(name, value)
  const answer = await nc.request("secrets.get", JSON.stringify({ credential_id }), { timeout: 60_000, headers: sent })
  return answer.json<Asked>()
}

const store = async (allowed_consumers: ReadonlyArray<string>): Promise<string> => {
  const body = { service_name: `s${++stored}`, type: "api_key", credentials: { api_key: "k" }, allowed_consumers }
  const answer = await anna.ask("demo", "credential.store", body)
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.credential_id
}
const actorsOf = async (id: string): Promise<ReadonlyArray<string>> =>
  (await anna.ask("demo", "audit.list", { entityId: id })).body.content.map(
    (row: { actor: string; action: string }) => `${row.actor} ${row.action}`
  )

it("hands a secret to the account that is named, to no other, and to nobody who says to be it", async () => {
  const id = await store(["account:ACME"])
  assert.deepStrictEqual((await askFrom("acme", "a", id)).credentials, { api_key: "k" })
  assert.strictEqual((await askFrom("other", "o", id)).error?.code, "CONSUMER_NOT_ALLOWED")
  const forged = { "Nats-Request-Info": '{"acc":"ACME","user":"acme","rtt":1}' }
  assert.strictEqual((await askFrom("other", "o", id, forged)).error?.code, "CONSUMER_NOT_ALLOWED")
  const within = await inside.ask("demo", "credential.get", { credential_id: id }, forged)
  assert.strictEqual(within.code, "FORBIDDEN")
  assert.deepStrictEqual((await actorsOf(id)).slice(0, 3), [
    "ADMIN/anna credential.stored",
    "ACME/acme credential.read",
    "OTHER/other credential.refused"
  ])
})

it("tells the users of one account apart where a secret names one of them", async () => {
  const id = await store(["account:ACME/acme2"])
  assert.strictEqual((await askFrom("acme", "a", id)).error?.code, "CONSUMER_NOT_ALLOWED")
  assert.deepStrictEqual((await askFrom("acme2", "a", id)).credentials, { api_key: "k" })
})

const acme = '{"acc":"ACME","user":"acme","rtt":1}'
/** What the server lets through beside its own header (2.15.2): other spellings, and the exact one behind a decoy. */
const forgeries: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  ["in lower case", [`nats-request-info: ${acme}`]],
  ["in upper case", [`NATS-REQUEST-INFO: ${acme}`]],
  ["behind a decoy", ["X: Nats-Request-InfoNats-Request-Info", `Nats-Request-Info: ${acme}`]],
  [
    "behind a decoy, twice",
    ["X: Nats-Request-InfoNats-Request-Info", `Nats-Request-Info: ${acme}`, `Nats-Request-Info: ${acme}`]
  ]
]
it.each(forgeries)("a forged account %s gets nobody's rights", async (_, lines) => {
  const id = await store(["account:ACME"])
  const raw = await rawNats(nats.port, "other", "o")
  const answer = await raw.request("secrets.get", JSON.stringify({ credential_id: id }), lines)
  raw.close()
  assert.notInclude(answer, "api_key")
  assert.include(answer, "UNAUTHENTICATED")
  assert.deepStrictEqual(await actorsOf(id), ["ADMIN/anna credential.stored"])
})

it("two administrators are two actors, in rows, in the audit and beside their idempotency keys", async () => {
  const key = { "Idempotency-Key": "the-same" }
  const body = { appName: "app-two", endpointId: "e" }
  await anna.ask("demo", "application.register", { appName: "app-two" })
  const first = await anna.ask("demo", "token.provision", body, key)
  const again = await anna.ask("demo", "token.provision", body, key)
  const other = await otto.ask("demo", "token.provision", body, key)
  assert.strictEqual(again.body.tokenId, first.body.tokenId)
  assert.notStrictEqual(other.body.tokenId, first.body.tokenId)
  assert.deepStrictEqual([first.body.createdBy, other.body.createdBy], ["ADMIN/anna", "ADMIN/otto"])
  const revoked = await otto.ask("demo", "token.revoke", { tokenId: first.body.tokenId })
  assert.deepInclude(revoked.body, { createdBy: "ADMIN/anna", updatedBy: "ADMIN/otto" })
  assert.deepStrictEqual(await actorsOf(first.body.tokenId), [
    "ADMIN/anna token.provisioned",
    "ADMIN/otto token.revoked"
  ])
  assert.isTrue((await anna.ask("demo", "audit.verify")).body.valid)
})

it("an account that does not share its user reads and changes nothing", async () => {
  const plain = await connectClient({ natsUrl: nats.url, instance, user: "plain", password: "p" })
  assert.strictEqual((await plain.ask("demo", "application.list")).status, 200)
  const refused = await plain.ask("demo", "application.register", { appName: "nobodys" })
  assert.deepStrictEqual([refused.status, refused.code], [403, "FORBIDDEN"])
  await plain.close()
})

it("a caller within the service's account may validate and nothing else, whatever it may publish", async () => {
  const { body } = await anna.ask("demo", "token.provision", { appName: "app-two", endpointId: "inner" })
  assert.strictEqual((await inside.validate("app-two", body.token)).statusCode, 200)
  const validated = await inside.ask("demo", "token.validate", { appName: "app-two", token: body.token })
  assert.deepStrictEqual([validated.status, validated.body.statusCode], [200, 200])
  for (const [operation, request] of [
    ["token.get", { tokenId: body.tokenId }],
    ["token.revoke", { tokenId: body.tokenId }],
    ["credential.get.mail", { service_name: "x" }]
  ] as const) {
    const answer = await inside.ask("demo", operation, request)
    assert.deepStrictEqual([answer.status, answer.code], [403, "FORBIDDEN"], operation)
  }
  assert.strictEqual((await inside.admin("tenants.list")).code, "FORBIDDEN")
  assert.strictEqual((await inside.transition("app-two", body.token, "Revoked")).statusCode, 403)
  assert.strictEqual((await inside.validate("app-two", body.token)).statusCode, 200)
})
