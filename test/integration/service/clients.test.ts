// Verifies R-CLI-1, R-CLI-2, R-CLI-3, R-CLI-4, R-CLI-5, R-CLI-6.
/**
 * Client credentials from outside, over raw Avro: a client that knows the contract, the service as two
 * processes, a real NATS server and a real MariaDB.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import {
  type Checked,
  ClientCredentialRevokedEvent,
  ClientCredentialsRevokedEvent,
  clientAsker,
  type Tail,
  wire
} from "../../support/clientWire.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "cli"
const issuer = "CN=Kaa CA,O=Example,C=UA"
let database: FreshDatabase
let one: Service
let two: Service
let client: Client
let ask: ReturnType<typeof clientAsker>
const heard: Array<{ readonly subject: string; readonly data: Uint8Array }> = []

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const servers = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance }
  const env = { CM_DEV_TENANTS: "demo,other", LOG_LEVEL: "trace" }
  one = await startService({ ...servers, env })
  two = await startService({ ...servers, replica: "two", keyFile: one.keyFile, env })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  ask = clientAsker(client.nc, instance)
  client.nc.subscribe(`kaa.v1.events.${instance}.>`, {
    callback: (_, { data, subject }) => void heard.push({ subject, data })
  })
  await client.nc.flush()
})
afterAll(async () => {
  await client?.close()
  await one?.stop()
  await two?.stop()
  await database?.drop()
})

const manage = (operation: string, body: unknown, tenant = "demo") =>
  client.ask(tenant, `client-credential.${operation}`, body)
const made = async (operation: string, body: unknown) => {
  const answer = await manage(operation, body)
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return answer.body as { readonly credentialId: string; readonly password?: string; readonly status: string }
}
const login = (username: string | null, password: string | null) =>
  ask("ecap.client-username-password-request", { username, password })
const loginTo = (tenantId: string, username: string, password: string) =>
  ask("cap.basic-request", { tenantId, username, password })
const certificate = (serialNumber: string, tail: Tail = "ecap.client-certificate-request", of = issuer) =>
  ask(tail, { issuer: of, serialNumber })
const refused = { statusCode: 401, clientId: null, reasonPhrase: null, correlationId: "test" }
const eventsOf = (credentialId: string) =>
  heard.flatMap(({ data, subject }) => {
    const tail = subject.slice(`kaa.v1.events.${instance}.`.length)
    const bytes = Buffer.from(data)
    if (tail === "client.credential.revoked") {
      const event = ClientCredentialRevokedEvent.fromBuffer(bytes) as { readonly credentialId: string }
      return event.credentialId === credentialId ? [tail] : []
    }
    if (!tail.startsWith("client-credentials.")) return []
    const event = ClientCredentialsRevokedEvent.fromBuffer(bytes) as {
      readonly credentialsId: string
      readonly tenantId: string
    }
    return event.credentialsId === credentialId && event.tenantId === "demo" ? [tail] : []
  })

describe("a username and password", () => {
  it("lives a token's life, in both protocols", async () => {
    const { credentialId, password, status } = await made("create-basic", { username: "life", clientId: "c-1" })
    assert.strictEqual(status, "Inactive")
    assert.match(password ?? "", /^[A-Za-z0-9]{24}$/u)
    const right = { ...refused, statusCode: 200, clientId: "c-1" }
    assert.deepInclude(await login("life", password!), { ...right, credentialId })
    assert.deepInclude(await loginTo("demo", "life", password!), { ...right, credentialsId: credentialId })
    const shown = () => manage("get", { credentialId })
    const active = await eventually(shown, ({ body }) => body.status === "Active", { what: "its first use" })
    assert.notProperty(active.body, "password")
    assert.strictEqual(active.body.version, 2)

    assert.strictEqual((await manage("suspend", { credentialId, reason: "lost" })).body.status, "Suspended")
    assert.deepInclude(await login("life", password!), { ...refused, credentialId: null })
    assert.strictEqual((await manage("activate", { credentialId })).status, 200)
    assert.strictEqual((await login("life", password!)).statusCode, 200)
    assert.strictEqual((await manage("revoke", { credentialId })).status, 200)
    assert.deepInclude(await login("life", password!), { ...refused, credentialId: null })
    assert.deepInclude(await loginTo("demo", "life", password!), { ...refused, credentialsId: null })
    assert.strictEqual((await manage("activate", { credentialId })).code, "TRANSITION_NOT_ALLOWED")
    const taken = await manage("create-basic", { username: "life" })
    assert.deepStrictEqual([taken.status, taken.code], [409, "CREDENTIAL_EXISTS"])
    assert.deepStrictEqual((await manage("delete", { credentialId })).body, { deleted: 1 })
    assert.strictEqual((await manage("get", { credentialId })).code, "CREDENTIAL_NOT_FOUND")
    const again = await made("create-basic", { username: "life" })
    assert.strictEqual((await login("life", password!)).statusCode, 401)
    assert.strictEqual((await login("life", again.password!)).statusCode, 200)
    // Suspended, revoked after it was active again, deleted: each once in both protocols.
    const six = ["client.credential.revoked", "client-credentials.basic.revoked"].flatMap((tail) => [tail, tail, tail])
    await eventually(
      () => eventsOf(credentialId).toSorted(),
      (events) => JSON.stringify(events) === JSON.stringify(six.toSorted()),
      { what: "the events of both protocols" }
    )
  })

  it("is refused alike whatever is wrong with it", async () => {
    const { credentialId } = await made("create-basic", { username: "alike", password: "right" })
    const answers: Array<Checked> = [await login("alike", "wrong"), await login("nobody", "right")]
    await login("alike", "right")
    await manage("suspend", { credentialId })
    answers.push(await login("alike", "right"), await login("alike", "wrong"))
    await manage("revoke", { credentialId })
    answers.push(await login("alike", "right"))
    for (const answer of answers) assert.deepInclude(answer, { ...refused, credentialId: null })
    await made("create-basic", { username: "elsewhere", password: "right" })
    assert.strictEqual((await loginTo("other", "elsewhere", "right")).statusCode, 401)
    assert.strictEqual((await loginTo("demo", "elsewhere", "right")).statusCode, 200)
    assert.strictEqual((await loginTo("other", "elsewhere", "right")).statusCode, 401)
  })

  it("is shown again to who repeats the request, and is one platform-wide", async () => {
    const headers = { "Idempotency-Key": "once" }
    const body = { username: "repeated" }
    const first = await client.ask("demo", "client-credential.create-basic", body, headers)
    const second = await client.ask("demo", "client-credential.create-basic", body, headers)
    assert.strictEqual(first.status, 201)
    assert.deepStrictEqual(second.body, first.body)
    const other = await manage("create-basic", body, "other")
    assert.deepStrictEqual([other.status, other.code], [409, "CREDENTIAL_EXISTS"])
    assert.strictEqual((await manage("get", { credentialId: first.body.credentialId }, "other")).status, 404)
  })

  it.each([
    ["username", { username: "" }],
    ["username", { username: "a\u0000b" }],
    ["username", { username: "x".repeat(257) }],
    ["password", { username: "u", password: "" }],
    ["password", { username: "u", password: "ü".repeat(513) }],
    ["clientId", { username: "u", clientId: "\n" }]
  ])("a %s outside its limits is told, and never repeated", async (path, body) => {
    const answer = await manage("create-basic", body)
    assert.deepStrictEqual([answer.code, answer.body.error.details.path], ["INVALID_REQUEST", path])
    assert.notInclude(JSON.stringify(answer.body), "üü")
  })

  it("a question outside its limits, late or unreadable is told so", async () => {
    assert.strictEqual((await login(null, "x")).statusCode, 400)
    assert.strictEqual((await login("x", null)).statusCode, 400)
    assert.strictEqual((await login("x\u0000", "x")).statusCode, 400)
    assert.strictEqual((await loginTo("a*b", "x", "x")).statusCode, 400)
    for (const serial of ["01", "-1", "0x1", "1".repeat(79), ""]) {
      assert.strictEqual((await certificate(serial)).statusCode, 400, serial)
    }
    const late = { issuer, serialNumber: "1", timeout: 1 }
    assert.strictEqual((await ask("ecap.client-certificate-request", late)).statusCode, 408)
    for (const tail of Object.keys(wire) as ReadonlyArray<Tail>) {
      const reply = await client.nc.request(`kaa.v1.service.${instance}.${tail}`, new Uint8Array([3]), {
        timeout: 60_000
      })
      const answer = wire[tail].answer.fromBuffer(Buffer.from(reply.data))
      assert.deepInclude(answer, { correlationId: "", statusCode: 400, clientId: null })
    }
  })
})

describe("a certificate", () => {
  it("is known by issuer and serial number, as they were given", async () => {
    const body = { issuer, serialNumber: "12345678901234567890123456789", clientId: "c-2" }
    const { credentialId } = await made("create-certificate", body)
    const right = { ...refused, statusCode: 200, clientId: "c-2" }
    assert.deepInclude(await certificate(body.serialNumber), { ...right, credentialId })
    assert.deepInclude(await certificate(body.serialNumber, "cap.certificate-request"), {
      ...right,
      tenantId: "demo",
      credentialsId: credentialId
    })
    for (const other of [`${issuer} `, issuer.toLowerCase(), "CN=Kaa CA, O=Example, C=UA"]) {
      assert.deepInclude(await certificate(body.serialNumber, "cap.certificate-request", other), {
        ...refused,
        tenantId: null,
        credentialsId: null
      })
    }
    const taken = await manage("create-certificate", body, "other")
    assert.deepStrictEqual([taken.status, taken.code], [409, "CREDENTIAL_EXISTS"])
    const long = "é".repeat(1_024)
    await made("create-certificate", { issuer: long, serialNumber: "0" })
    assert.strictEqual((await certificate("0", "ecap.client-certificate-request", long)).statusCode, 200)
    await eventually(
      () => manage("get", { credentialId }),
      ({ body }) => body.status === "Active",
      { what: "its first use" }
    )
    await manage("revoke", { credentialId })
    assert.strictEqual((await certificate(body.serialNumber)).statusCode, 401)
    await eventually(
      () => eventsOf(credentialId).toSorted(),
      (events) => events.join() === "client-credentials.certificate.revoked,client.credential.revoked",
      { what: "its events" }
    )
  })

  it("is listed with the others, by client and status, in pages", async () => {
    for (const serialNumber of ["1", "2", "3"]) {
      await made("create-certificate", { issuer: "list", serialNumber, clientId: "listed" })
    }
    const { body: first } = await manage("list", { clientId: "listed", limit: 2 })
    const { body: second } = await manage("list", { clientId: "listed", limit: 2, cursor: first.nextCursor })
    const serials = [...first.content, ...second.content].map((one: { serialNumber: string }) => one.serialNumber)
    assert.deepStrictEqual(serials, ["3", "2", "1"])
    assert.notProperty(second, "nextCursor")
    assert.deepStrictEqual((await manage("list", { clientId: "listed", status: ["Active"] })).body, { content: [] })
    assert.strictEqual((await manage("list", { clientId: "nobody", cursor: first.nextCursor })).code, "INVALID_CURSOR")
  })
})

it("logins beyond a tenant's rate are told to wait, from the answer to its configuration on", async () => {
  const { body } = await manage("create-basic", { username: "limited", password: "right" }, "other")
  assert.strictEqual((await login("limited", "right")).statusCode, 200)
  const configured = await client.admin("tenants.configure", { tenantId: "other", limits: { loginsPerSecond: 1 } })
  assert.strictEqual(configured.status, 200, JSON.stringify(configured.body))
  const statuses = await eventually(
    async () => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => login("limited", "right")))
      return answers.map(({ statusCode }) => statusCode)
    },
    (some) => some.includes(429),
    { what: "a login that has to wait" }
  )
  assert.isTrue(statuses.every((status) => status === 200 || status === 429))
  const stock = await client.admin("tenants.configure", { tenantId: "other", limits: { clientCredentials: 1 } })
  assert.strictEqual(stock.status, 200)
  const beyond = await manage("create-basic", { username: "beyond" }, "other")
  assert.deepStrictEqual(
    [beyond.status, beyond.code, beyond.body.error.details.limit],
    [409, "LIMIT_REACHED", "clientCredentials"]
  )
  assert.strictEqual((await manage("delete", { credentialId: body.credentialId }, "other")).status, 200)
  assert.strictEqual((await manage("create-basic", { username: "beyond" }, "other")).status, 201)
})

describe("two replicas under load", () => {
  it("never answer 200 for what was revoked before they were asked", async () => {
    const { credentialId, password } = await made("create-basic", { username: "raced" })
    const { credentialId: ofCertificate } = await made("create-certificate", { issuer, serialNumber: "77" })
    let revoked = false
    let asked = 0
    let granted = 0
    const wrong: Array<Checked> = []
    const load = async (check: () => Promise<Checked>) => {
      for (let after = 0; after < 15; ) {
        const isAfter = revoked
        const answer = await check()
        asked++
        if (answer.statusCode === 200) granted++
        if (!isAfter) continue
        after++
        if (answer.statusCode === 200) wrong.push(answer)
      }
    }
    const loads = [
      ...Array.from({ length: 2 }, () => load(() => login("raced", password!))),
      ...Array.from({ length: 4 }, () => load(() => certificate("77")))
    ]
    await eventually(
      () => granted,
      (count) => count > 40,
      { what: "checks that are good" }
    )
    const answers = await Promise.all([
      manage("revoke", { credentialId }),
      manage("revoke", { credentialId: ofCertificate })
    ])
    revoked = true
    assert.deepStrictEqual(
      answers.map(({ status }) => status),
      [200, 200]
    )
    await Promise.all(loads)
    assert.isAbove(asked, 100)
    assert.deepStrictEqual(wrong, [])
  })
})

it("a password is in no log, event, row of the audit or answer but the first", async () => {
  const planted = "Planted-Password-91c2e7"
  const { credentialId } = await made("create-basic", { username: "planted", password: planted })
  await login("planted", planted)
  await login("planted", `${planted}x`)
  await manage("create-basic", { username: "planted", password: planted })
  await manage("create-basic", { username: "planted-2", pasword: planted })
  await manage("revoke", { credentialId })
  await login("planted", planted)
  const audit = await client.ask("demo", "audit.list", { entityId: credentialId, limit: 100 })
  assert.isAbove(audit.body.content.length, 1)
  const metrics = await client.admin("metrics")
  const places = [
    one.output(),
    two.output(),
    JSON.stringify(audit.body),
    JSON.stringify(metrics.body),
    JSON.stringify((await manage("list", {})).body),
    heard.map(({ data }) => Buffer.from(data).toString("latin1")).join()
  ]
  for (const place of places) assert.isFalse(place.includes(planted))
})
