// Verifies R-INP-1, R-INP-2, R-INP-3, R-INP-4, R-INP-5.
/** The smallest inputs that once harmed somebody, to the service as a process, over a real pair; and nobody is harmed. */
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "inp"
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

const provision = async (endpointId: string) =>
  (await client.ask("demo", "token.provision", { appName: "app", endpointId })).body as {
    readonly tokenId: string
    readonly token: string
  }
const unregistered = `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`
const transitionSubject = `kaa.v1.service.${instance}.ecap.ep-token-status-transition-request`
const leaves = (endpointId: string, correlationId = "c") =>
  ecap.UnregisteredEvent.toBuffer({
    correlationId,
    timestamp: 1,
    timeout: 0,
    appVersionName: "app-v1",
    endpointId,
    originatorReplicaId: "epr-0"
  })
const gone = (token: string) =>
  eventually(
    () => client.validate("app", token),
    ({ statusCode }) => statusCode === 404,
    { limitMs: 120_000 }
  )
const isValid = async () => assert.deepInclude((await client.ask("demo", "audit.verify", {})).body, { valid: true })

it("runs of one byte on Avro subjects change nothing for what is read after them", async () => {
  for (const byte of [0xff, 0x80, 0x00]) {
    client.nc.publish(unregistered, Buffer.alloc(2_000, byte))
    const answer = await client.nc.request(transitionSubject, Buffer.alloc(2_000, byte), { timeout: 60_000 })
    assert.deepInclude(ecap.TransitionResponse.fromBuffer(Buffer.from(answer.data)), {
      correlationId: "",
      statusCode: 400
    })
    const { token } = await provision(`endpoint-${byte}`)
    assert.strictEqual((await client.transition("app", token, "Active")).statusCode, 200)
    client.nc.publish(unregistered, leaves(`endpoint-${byte}`))
    await gone(token)
  }
})

it("a correlation id of 300,000 characters is echoed, kept in a few, left out of an event, and holds nothing up", async () => {
  const { token, tokenId } = await provision("long")
  const correlationId = "a".repeat(300_000)
  assert.deepInclude(await client.validate("app", token, { correlationId }), { correlationId, statusCode: 200 })
  for (const status of ["Suspended", "Active"]) {
    const answer = await client.transition("app", token, status, correlationId)
    assert.deepInclude(answer, { correlationId, statusCode: 200 })
  }
  assert.strictEqual((await client.validate("app", token)).statusCode, 200)
  const { content } = (await client.ask("demo", "audit.list", { entityId: tokenId })).body
  assert.includeMembers(
    content.map((row: { readonly correlationId: string }) => row.correlationId),
    ["a".repeat(256)]
  )

  const heard: Array<{ readonly tokenIds: ReadonlyArray<string>; readonly correlationId: string }> = []
  const ear = client.nc.subscribe(`kaa.v1.events.${instance}.endpoint.token.revoked`, {
    callback: (_, message) => void heard.push(ecap.RevokedEvent.fromBuffer(Buffer.from(message.data)) as never)
  })
  client.nc.publish(unregistered, leaves("long", correlationId))
  await gone(token)
  // What an earlier test revoked may only now be told.
  const event = await eventually(
    () => heard.find(({ tokenIds }) => tokenIds.includes(tokenId)),
    (found) => found !== undefined,
    { what: "the event of it" }
  )
  ear.unsubscribe()
  assert.deepStrictEqual(event!.tokenIds, [tokenId])
  assert.match(event!.correlationId, /^[0-9a-f]{32}$/u)
})

it("an id of 257 characters is unknown and in the audit in a few; half of a surrogate pair is 400; the audit is whole", async () => {
  const long = "x".repeat(257)
  const unknown = await client.ask("demo", "credential.get.mail", { credential_id: long })
  assert.deepInclude(unknown, { status: 404, code: "CREDENTIAL_NOT_FOUND" })
  assert.strictEqual((await client.ask("demo", "token.get", { tokenId: "y".repeat(400_000) })).status, 404)
  const half = await client.ask("demo", "credential.get.mail", '{"credential_id":"\\ud800"}')
  assert.deepInclude(half, { status: 400, code: "INVALID_REQUEST" })
  assert.strictEqual(half.body.error.details.path, "credential_id")
  const { content } = (await client.ask("demo", "audit.list", { limit: 1_000 })).body
  const refused = content.filter(({ action }: { readonly action: string }) => action === "credential.refused")
  assert.deepStrictEqual(
    refused.map(({ entityId }: { readonly entityId: string }) => entityId),
    ["not-an-id"]
  )
  assert.notInclude(JSON.stringify(content), long)
  await isValid()
})

it("what would not come back as it was written is refused with its place; what providers ask for is taken", async () => {
  const store = (service_name: string, rest: string) =>
    client.ask("demo", "credential.store", `{"service_name":"${service_name}","type":"free",${rest}}`)
  const secret = '"credentials":{"API Key":"k","Schlüssel":"s"}'
  for (const [written, path] of [
    ['"metadata":{"id":9007199254740993}', "metadata.id"],
    ['"metadata":{"a":[1,1e400]}', "metadata.a[1]"],
    ['"rotation":{"every":-0}', "rotation.every"],
    ['"metadata":{"\\udc00":1}', "metadata"]
  ] as const) {
    const answer = await store("numbers", `${secret},${written}`)
    assert.deepInclude(answer, { status: 400, code: "INVALID_REQUEST" })
    assert.strictEqual(answer.body.error.details.path, path)
  }
  const stored = await store("numbers", `${secret},"metadata":{"id":9007199254740992},"allowed_consumers":["mail"]`)
  assert.strictEqual(stored.status, 201)
  const { credential_id } = stored.body
  const read = await client.ask("demo", "credential.get.mail", { credential_id })
  assert.deepStrictEqual(read.body.credentials, { "API Key": "k", Schlüssel: "s" })
  assert.strictEqual((await client.ask("demo", "credential.describe", { credential_id })).body.metadata.id, 2 ** 53)
  const half = { service_name: "half", type: "basic", credentials: { username: "key", password: "" } }
  assert.strictEqual((await client.ask("demo", "credential.store", half)).status, 201)
})

it("a malformed item of a batch is that item's 400", async () => {
  const items = [{ endpointId: "b" }, { endpointId: "b c" }, { endpointId: "b" }]
  const made = await client.ask("demo", "token.provision-batch", { appName: "app", items })
  const statuses = (results: ReadonlyArray<{ readonly statusCode: number }>) => results.map((one) => one.statusCode)
  assert.deepStrictEqual(statuses(made.body.results), [201, 400, 201])
  const tokenIds = [made.body.results[0].tokenId, 7, "none", made.body.results[2].tokenId]
  const ended = await client.ask("demo", "token.transition-batch", { tokenIds, targetStatus: "Revoked" })
  assert.deepStrictEqual(statuses(ended.body.results), [200, 400, 404, 200])
  const asked = [{ appName: "app", token: made.body.results[0].token }, { appName: "app" }]
  const verdicts = await client.ask("demo", "token.validate-batch", { items: asked })
  assert.deepStrictEqual(statuses(verdicts.body.results), [410, 400])
  await isValid()
})
