// Verifies R-REF-15, R-REF-16, R-REF-17, R-REF-18, R-REF-4.
/**
 * What goes on beside refreshes, from outside: looks at tokens that never expire, revocation at the provider,
 * notices before the end of a grant, circuits over two replicas. The provider here repeats in its errors
 * whatever it was sent.
 */
import { createServer, type IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "rfb"
const clientSecret = "planted-client-secret-0123456789"
const planted: Array<string> = [clientSecret, Buffer.from(`the-client:${clientSecret}`).toString("base64")]
let database: FreshDatabase
let replicas: ReadonlyArray<Service>
let client: Client
let server: Server
let base: string
const events: Array<Record<string, unknown>> = []

/** What each path answers; the text of the request comes back in the body. */
const answers: Record<string, { status: number; body: (sent: string) => unknown }> = {}
const asked: Array<{ readonly path: string; readonly sent: string }> = []
const echoing = (status: number, error: unknown) => ({
  status,
  body: (sent: string) => ({ error, error_description: `you sent ${sent}`, message: sent })
})
const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}
let tokens = 0
const newToken = (kind: string): string => {
  const token = `planted-${kind}-${++tokens}-abcdefghijklmnop`
  planted.push(token)
  return token
}
const granted = () => ({
  status: 200,
  body: () => ({ access_token: newToken("access"), refresh_token: newToken("refresh"), expires_in: 3_600 })
})

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  server = createServer((request, response) => {
    const answer = (text: string) => {
      const path = new URL(request.url!, "http://x").pathname
      const sent = `${text} ${request.headers.authorization ?? ""}`
      asked.push({ path, sent })
      const { body, status } = answers[path] ?? { status: 404, body: () => ({}) }
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body(sent)))
    }
    // A request of a replica that ends meanwhile breaks off.
    read(request).then(answer, () => response.destroy())
  })
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const options = {
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: {
      CM_CREDENTIAL_SWEEP_EVERY: "200 millis",
      CM_REFRESH_INTERVAL: "100 millis",
      CM_PROVIDER_HOSTS_ALLOWED: new URL(base).host
    }
  }
  const one = await startService(options)
  const two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  replicas = [one, two]
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 75_000 })
  client.nc.subscribe(`${instance}.events.v1.>`, { callback: (_, message) => void events.push(message.json()) })
  await client.nc.flush()
})
afterAll(async () => {
  await client?.close()
  await Promise.all(replicas?.map((replica) => replica.stop()) ?? [])
  server?.closeAllConnections()
  server?.close()
  await database?.drop()
})

const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()
const put = async (name: string, more: object = {}) => {
  const body = {
    name,
    token_url: `${base}/${name}/token`,
    client_id: "the-client",
    client_secrets: [clientSecret],
    rate_per_minute: 10_000,
    parallel: 100,
    refresh_before: "PT1M",
    ...more
  }
  const answer = await ask("provider.put", body)
  assert.include([200, 201], answer.status, JSON.stringify(answer.body))
}
let services = 0
const store = async (provider: string, over: object = {}) => {
  const credentials = { access_token: newToken("access"), refresh_token: newToken("refresh") }
  const answer = await ask("credential.store", {
    service_name: `svc${++services}`,
    type: "oauth",
    credentials,
    allowed_consumers: ["mail"],
    rotation: { provider },
    ...over
  })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return { id: answer.body.credential_id as string, credentials }
}
/** Due 5 s after it was obtained, each time. */
const soon = (provider: string) => ({ expires_at: inMs(3_600_000), rotation: { provider, keep_alive: "PT1S" } })
const describeOf = async (id: string) =>
  (await ask("credential.list", { limit: 1000 })).body.content.find(
    (one: { credential_id: string }) => one.credential_id === id
  )
const eventsOf = (id: string, type: string) =>
  events.filter(({ credential_id, event_type }) => credential_id === id && event_type === `credential.${type}`)
const stateOf = (id: string, state: string) =>
  eventually(
    () => describeOf(id),
    (one) => one.refresh.state === state,
    { limitMs: 120_000, what: `the state ${state}` }
  )
const told = (id: string, type: string, limitMs = 120_000) =>
  eventually(
    () => eventsOf(id, type),
    (found) => found.length > 0,
    { limitMs, what: `the event ${type}` }
  )
const audit = async (): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const rows: Array<Record<string, unknown>> = []
  let cursor: string | undefined
  do {
    const page: Answer = await ask("audit.list", { limit: 1000, ...(cursor === undefined ? {} : { cursor }) })
    rows.push(...page.body.content)
    cursor = page.body.nextCursor
  } while (cursor !== undefined)
  return rows
}

describe("a token that never expires", () => {
  it("is looked at, and its end and its recovery are told", async () => {
    answers["/watched/me"] = { status: 200, body: () => ({}) }
    await put("watched", { health: { url: `${base}/watched/me`, method: "GET", every: "PT1S", ok: [200] } })
    const { credentials, id } = await store("watched")
    await eventually(
      () => asked.filter(({ path }) => path === "/watched/me"),
      (looks) => looks.length >= 2 && looks.every(({ sent }) => sent.includes(`Bearer ${credentials.access_token}`)),
      { limitMs: 120_000, what: "two looks" }
    )
    assert.strictEqual((await describeOf(id)).refresh.state, "fresh")
    answers["/watched/me"] = echoing(401, "whatever")
    const { refresh } = await stateOf(id, "failing")
    assert.deepInclude(refresh.last_error, { reason: "invalid_grant", http_status: 401 })
    const [event] = await told(id, "health_failed")
    assert.deepInclude(event, { reason: "invalid_grant", http_status: 401 })
    answers["/watched/me"] = { status: 200, body: () => ({}) }
    assert.strictEqual((await stateOf(id, "fresh")).refresh.last_error, undefined)
    await told(id, "recovered")
    assert.lengthOf(eventsOf(id, "health_failed"), 1)
  })

  it("of which the provider says that it is gone asks for a person; one that has an end is not looked at", async () => {
    answers["/gone/me"] = { status: 400, body: () => ({ error: { code: 190 } }) }
    const health = { url: `${base}/gone/me`, method: "GET", every: "PT1S", ok: [200] }
    await put("gone", {
      health,
      errors: [{ path: "/error/code", code: 190, is: "permanent", reason: "consent_revoked" }]
    })
    const ends = await store("gone", { expires_at: inMs(3_600_000) })
    const { id } = await store("gone")
    assert.deepInclude((await stateOf(id, "reconnect_needed")).refresh.last_error, { reason: "consent_revoked" })
    await told(id, "reconnect_needed")
    assert.isFalse(asked.some(({ path, sent }) => path === "/gone/me" && sent.includes(ends.credentials.access_token)))
  })
})

describe("a revocation at the provider", () => {
  it("is confirmed by its answer, and impossible where it takes none", async () => {
    answers["/takes/revoke"] = { status: 200, body: () => ({}) }
    await put("takes", { revoke_url: `${base}/takes/revoke` })
    const { credentials, id } = await store("takes")
    const answer = await ask("credential.revoke", { credential_id: id, at_provider: true })
    assert.deepInclude(answer.body, { success: true, details: { at_provider: "revoked" } })
    const [request] = asked.filter(({ path }) => path === "/takes/revoke")
    assert.include(request!.sent, `token=${credentials.refresh_token}&token_type_hint=refresh_token`)
    await put("takes-none")
    const other = await store("takes-none")
    const refused = await ask("credential.revoke", { credential_id: other.id, at_provider: true })
    assert.deepInclude(refused.body, { success: true, details: { at_provider: "not_possible" } })
    const plain = await store("takes")
    assert.notProperty((await ask("credential.revoke", { credential_id: plain.id })).body, "details")
  })

  it("that fails is one here all the same, and is tried again until it is confirmed", async () => {
    answers["/sick/revoke"] = echoing(503, "temporarily_unavailable")
    await put("sick", { revoke_url: `${base}/sick/revoke` })
    const { id } = await store("sick")
    const answer = await ask("credential.revoke", { credential_id: id, at_provider: true })
    assert.deepInclude(answer.body, { success: true, details: { at_provider: "failed" } })
    assert.strictEqual((await ask("credential.get.mail", { credential_id: id })).status >= 400, true)
    answers["/sick/revoke"] = { status: 200, body: () => ({}) }
    await eventually(
      audit,
      (rows) => rows.some((row) => row.action === "credential.revoked-at-provider" && row.entityId === id),
      { limitMs: 120_000, what: "the confirmation" }
    )
    const again = await ask("credential.revoke", { credential_id: id, at_provider: true })
    assert.deepInclude(again.body, { success: true, details: { at_provider: "revoked" } })
  }, 300_000)
})

it("the end of a grant is told of before it comes", async () => {
  answers["/ending/token"] = granted()
  await put("ending", { grant_lifetime: "P5D" })
  const { id } = await store("ending", { expires_at: inMs(3_600_000) })
  const [event] = await told(id, "expiring")
  assert.deepInclude(event, { within_days: 7 })
  assert.strictEqual(event!.grant_expires_at, (await describeOf(id)).refresh.grant_expires_at)
  // A refresh that leaves it as near is no news.
  assert.strictEqual((await ask("credential.rotate", { credential_id: id })).status, 200)
  await told(id, "rotated")
  await eventually(
    () => describeOf(id),
    (one) => one.refresh.state === "fresh",
    { limitMs: 120_000, what: "fresh" }
  )
  // Whoever tells of another one that comes later has looked at this one again.
  const later = await store("ending", { expires_at: inMs(3_600_000) })
  await told(later.id, "expiring")
  assert.lengthOf(eventsOf(id, "expiring"), 1)
})

it("a provider that fails is left alone by all replicas, holds up nobody else's, and all come back", async () => {
  answers["/down/token"] = echoing(500, "server_error")
  answers["/up/token"] = granted()
  await put("down", { refresh_tokens: "keep" })
  await put("up")
  const down = await Promise.all(Array.from({ length: 8 }, () => store("down", soon("down"))))
  const circuits = () => ask("provider.get", { name: "down" }).then(({ body }) => body.circuits)
  await eventually(circuits, (found) => found.some(({ of }: { of: string }) => of === "provider"), {
    limitMs: 120_000,
    what: "the open circuit"
  })
  // While it is open only one at a time tries.
  const up = await store("up", soon("up"))
  await told(up.id, "rotated")
  assert.deepStrictEqual((await ask("provider.get", { name: "up" })).body.circuits, [])
  answers["/down/token"] = granted()
  for (const { id } of down) await told(id, "rotated", 100_000)
  assert.deepStrictEqual(await circuits(), [])
}, 300_000)

it("a person who asks waits for no circuit; a client that is not known is left alone until the entry is put anew", async () => {
  answers["/unknown/token"] = echoing(401, "invalid_client")
  await put("unknown", { refresh_tokens: "keep" })
  const { id } = await store("unknown", { expires_at: inMs(3_600_000) })
  for (let count = 0; count < 4; count++) {
    const answer = await ask("credential.rotate", { credential_id: id })
    assert.deepInclude(answer.body.error.details, { reason: "invalid_client" })
  }
  const circuits = () => ask("provider.get", { name: "unknown" }).then(({ body }) => body.circuits)
  assert.deepInclude((await circuits())[0], { of: "client" })
  answers["/unknown/token"] = granted()
  await put("unknown", { refresh_tokens: "keep" })
  assert.deepStrictEqual(await circuits(), [])
  assert.strictEqual((await ask("credential.rotate", { credential_id: id })).status, 200)
})

it("nothing that was sent comes back in an answer, an event, the audit, a metric or what the replicas print", async () => {
  const shown = JSON.stringify((await ask("credential.list", { limit: 1000 })).body)
  const metrics = JSON.stringify((await client.admin("metrics")).body)
  const said = [
    shown,
    JSON.stringify(events),
    JSON.stringify(await audit()),
    metrics,
    ...replicas.map((one) => one.output())
  ]
  const text = said.join("\n")
  assert.include(text, "credential.refresh-failed")
  for (const secret of planted) {
    for (const form of [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString("base64"),
      secret.slice(0, 24)
    ]) {
      assert.isFalse(text.includes(form), "a secret was said")
    }
  }
})
