// Verifies R-EVT-4, R-EVT-5.
/**
 * Events that cannot be published: on a real server whose messages are small, and with rows that somebody
 * else wrote into the database.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { roleAccounts } from "../../support/roleAccounts.ts"
import { type Server, startNats, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "blk"
const tenants = ["blk-one", "blk-two", "blk-three"]
/**
 * Smaller than the event of a crowd that is revoked, larger than any answer that is asked for here, the metrics among
 * them: a server says nothing of a limit that it made smaller, and closes a connection that sends more.
 */
const smallPayload = "32KB"
const crowd = 1_000
const folder = temporaryFolder()
const configFile = join(folder.path, "payload.conf")
const configOf = (maxPayload: string) => roleAccounts().replace("max_payload: 8MB", `max_payload: ${maxPayload}`)
let nats: Server
let database: FreshDatabase
let service: Service
let client: Client
const heard: Array<{ readonly subject: string; readonly body: string }> = []

beforeAll(async () => {
  writeFileSync(configFile, configOf("8MB"))
  nats = await startNats({ dir: join(folder.path, "nats"), configFile, name: "small" })
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: nats.url, databaseUrl: database.url, instance })
  client = await connectClient({ natsUrl: nats.url, instance, timeoutMs: 120_000 })
  for (const tenantId of tenants) {
    assert.strictEqual((await client.admin("tenants.create", { tenantId })).status, 201)
    assert.strictEqual((await client.ask(tenantId, "application.register", { appName: tenantId })).status, 201)
  }
  for (const subject of [`${instance}.events.v1.>`, `kaa.v1.events.${instance}.>`]) {
    client.nc.subscribe(subject, {
      callback: (_, msg) => void heard.push({ subject: msg.subject, body: msg.string() })
    })
  }
  await client.nc.flush()
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await nats?.stop()
  await database?.drop()
  folder.remove()
})

const provision = async (tenantId: string, endpointId: string) => {
  const answer = await client.ask(tenantId, "token.provision", { appName: tenantId, endpointId })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return answer.body as { readonly tokenId: string }
}
const listed = async () => (await client.admin("outbox.list")).body.content as ReadonlyArray<Record<string, unknown>>
const metric = async (name: string) =>
  String((await client.admin("metrics")).body)
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)
const revokedEvent = async (tenantId: string, endpointId: string) => {
  const { tokenId } = await provision(tenantId, endpointId)
  assert.strictEqual((await client.ask(tenantId, "token.revoke", { tokenId })).status, 200)
  await eventually(
    () => heard.some(({ body, subject }) => subject.endsWith("endpoint.token.revoked") && body.includes(tokenId)),
    (there) => there,
    { limitMs: 120_000, what: `the event of ${tokenId}` }
  )
}
const query = async (sql: string, values: ReadonlyArray<unknown> = []) => {
  const connection = await connectSql(database.url)
  return connection.query(sql, values as Array<unknown>).finally(() => connection.end())
}

it("an event too large for the server, for each of three tenants, is set aside, told, listed and released", async () => {
  for (const tenantId of tenants) {
    // One request: a thousand of them wait for each other longer than a busy machine may let them.
    const items = Array.from({ length: crowd }, () => ({ endpointId: "crowded" }))
    const { body } = await client.ask(tenantId, "token.provision-batch", { appName: tenantId, items })
    assert.isTrue(body.results.every(({ statusCode }: { readonly statusCode: number }) => statusCode === 201))
  }
  // An operator makes messages smaller while everything runs.
  writeFileSync(configFile, configOf(smallPayload))
  nats.kill("SIGHUP")
  await eventually(
    () => readFileSync(join(folder.path, "nats", "nats-server.log"), "utf8"),
    (text) => text.includes("Reloaded server configuration"),
    { what: "the reload" }
  )
  for (const tenantId of tenants) {
    assert.strictEqual((await client.ask(tenantId, "token.delete", { endpointId: "crowded" })).body.deleted, crowd)
  }
  // What stands behind goes on at once, before anything is given up.
  for (const tenantId of tenants) await revokedEvent(tenantId, "quiet")
  const blocked = await eventually(listed, ({ length }) => length === tenants.length, {
    limitMs: 120_000,
    what: "three rows set aside"
  })
  assert.sameMembers(
    blocked.map(({ tenantId }) => tenantId),
    tenants
  )
  for (const row of blocked) {
    assert.deepInclude(row, { stream: "revocations", subject: `kaa.v1.events.${instance}.endpoint.token.revoked` })
    assert.isAbove(row.bytes as number, 32_000)
  }
  const told = await eventually(
    () => heard.filter(({ subject }) => subject === `${instance}.events.v1.global.platform.outbox_blocked`),
    ({ length }) => length === tenants.length,
    { what: "the words of it" }
  )
  assert.sameMembers(
    told.map(({ body }) => JSON.parse(body).id),
    blocked.map(({ id }) => id)
  )
  await eventually(
    () => metric("cm_outbox_aside_rows"),
    (rows) => rows === tenants.length,
    { limitMs: 120_000, what: "the gauge" }
  )
  assert.strictEqual(await metric("cm_outbox_set_aside_total"), tenants.length)
  // Everything else that was deleted is told of.
  await eventually(
    () => heard.filter(({ subject }) => subject.endsWith("token.deleted")).length,
    (count) => count === tenants.length * crowd,
    { limitMs: 120_000, what: "all events of deleted tokens" }
  )

  const [drop, retry] = blocked as [Record<string, unknown>, Record<string, unknown>]
  const dropped = await client.admin("outbox.release", { id: drop.id, action: "drop" }, { "Idempotency-Key": "drop" })
  assert.deepStrictEqual([dropped.status, dropped.body], [200, { id: drop.id, action: "drop" }])
  const again = await client.admin("outbox.release", { id: drop.id, action: "drop" })
  assert.deepStrictEqual([again.status, again.code], [404, "EVENT_NOT_FOUND"])
  const repeated = await client.admin("outbox.release", { id: drop.id, action: "drop" }, { "Idempotency-Key": "drop" })
  assert.deepStrictEqual(repeated.body, dropped.body)
  assert.strictEqual((await client.admin("outbox.release", { id: 0, action: "drop" })).status, 400)
  // Still too large: it comes back under a new id.
  assert.strictEqual((await client.admin("outbox.release", { id: retry.id, action: "retry" })).status, 200)
  const after = await eventually(
    listed,
    (rows) => rows.some(({ eventId, id }) => eventId === retry.eventId && id !== retry.id),
    { what: "the row being set aside again" }
  )
  assert.strictEqual(after.length, 2)
  assert.deepInclude(
    after.find(({ eventId }) => eventId === retry.eventId),
    { tenantId: retry.tenantId, createdDate: retry.createdDate }
  )
  const audit = (await client.ask("global", "audit.list", { limit: 1_000 })).body.content as ReadonlyArray<{
    readonly action: string
    readonly entityId?: string
    readonly entity_id?: string
  }>
  assert.deepStrictEqual(
    audit
      .filter(({ action }) => action === "outbox.released")
      .map((row) => row.entity_id ?? row.entityId)
      .toSorted(),
    [drop.eventId, retry.eventId].toSorted()
  )
  const page = (await client.admin("outbox.list", { limit: 1 })).body
  assert.strictEqual(page.content.length, 1)
  const next = (await client.admin("outbox.list", { limit: 1, cursor: page.nextCursor })).body
  assert.notStrictEqual(next.content[0].id, page.content[0].id)
})

it("a row that somebody wrote into the outbox is not published, whatever it says", async () => {
  const stream = `${instance.toUpperCase()}_EVENTS`
  const deletion = `$JS.API.STREAM.DELETE.${stream}`
  const purge = JSON.stringify({ "ce-type": "token.provisioned", "Nats-Rollup": "all" })
  const own = `${instance}.events.v1.${tenants[0]}.token.provisioned`
  const insert = (subject: string, headers: string, stream = 0) =>
    query(
      `INSERT INTO outbox (tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at)
       VALUES (?, UNHEX(REPLACE(UUID(), '-', '')), ?, ?, 'x', ?, '{}', 1)`,
      [tenants[0], stream, subject, headers]
    )
  const before = (await listed()).length
  const spied: Array<string> = []
  const spy = client.nc.subscribe("$JS.API.STREAM.>", { callback: (_, msg) => void spied.push(msg.subject) })
  const knocked = client.nc.subscribe(`${instance}.v1.>`, { callback: (_, msg) => void spied.push(msg.subject) })
  await client.nc.flush()
  await insert(deletion, "{}")
  await insert(deletion, "not json")
  await insert(`${instance}.v1.${tenants[0]}.token.revoke`, "{}")
  await insert(own, purge)
  await insert(own, '{"ce-type":"token.provisioned","ce-id":"a\\r\\nNats-Rollup: all"}')
  await insert(`kaa.v1.events.epr.endpoint.lifecycle.unregistered`, "{}", 1)
  // One of the service's own, changed before it leaves: held by a revocation that is not in force.
  await insert(own, '{"ce-type":"token.provisioned"}', 9)
  const blocked = await eventually(listed, ({ length }) => length === before + 7, { what: "seven rows set aside" })
  assert.sameMembers(
    blocked.slice(before).map(({ reason }) => reason as string),
    [
      "foreign subject",
      "unreadable",
      "foreign subject",
      "foreign header",
      "foreign header",
      "foreign subject",
      "unreadable"
    ]
  )
  // The service asked about streams, and said nothing of what was planted.
  assert.deepStrictEqual(
    spied.filter((subject) => subject.includes("DELETE") || subject.endsWith("token.revoke")),
    []
  )
  spy.unsubscribe()
  knocked.unsubscribe()
  await revokedEvent(tenants[0]!, "after")
  assert.notInclude(service.output(), "uncaught")
})

it("a row that is longer than any event is set aside at its first look, told with its length, and others go on", async () => {
  const [before, length] = [await listed(), 3_000_000]
  const own = `${instance}.events.v1.${tenants[0]}.token.provisioned`
  const insert = (headers: string, payload: string) =>
    query(
      `INSERT INTO outbox (tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at)
       VALUES (?, UNHEX(REPLACE(UUID(), '-', '')), 0, ?, 'x', ${headers}, ${payload}, 1)`,
      [tenants[0], own]
    )
  await insert(`'{"ce-type":"token.provisioned"}'`, `REPEAT('x', ${length})`)
  await insert(`CONCAT('{"ce-type":"token.provisioned","ce-id":"', REPEAT('x', ${length}), '"}')`, "'{}'")
  const blocked = (
    await eventually(listed, (rows) => rows.length === before.length + 2, { what: "two rows set aside" })
  ).slice(before.length)
  assert.deepStrictEqual(
    blocked.map(({ bytes, reason }) => [bytes, reason]),
    [
      [length, "unreadable"],
      [2, "unreadable"]
    ]
  )
  const told = await eventually(
    () =>
      heard
        .filter(({ subject }) => subject.endsWith("platform.outbox_blocked"))
        .map(({ body }) => JSON.parse(body))
        .filter(({ id }) => blocked.some((row) => row.id === id)),
    ({ length: count }) => count === 2,
    { what: "the words of it" }
  )
  assert.sameMembers(
    told.map(({ bytes }) => bytes),
    [length, 2]
  )
  await revokedEvent(tenants[0]!, "behind")
})

it("rows of the service that were pointed elsewhere do not leave either", async () => {
  const { tokenId } = await provision(tenants[1]!, "pointed")
  const before = (await listed()).length
  // Locked from outside, the relay's look is the only reader: the row is there until its turn.
  const connection = await connectSql(database.url)
  await connection.query(
    "CREATE TRIGGER point BEFORE INSERT ON outbox FOR EACH ROW SET NEW.subject = IF(NEW.tenant_id = ?, ?, NEW.subject)".replace(
      /\?/gu,
      (() => {
        const texts = [`'${tenants[1]}'`, "'$JS.API.STREAM.PURGE.BLK_EVENTS'"]
        return () => texts.shift()!
      })()
    )
  )
  try {
    assert.strictEqual((await client.ask(tenants[1]!, "token.revoke", { tokenId })).status, 200)
    await eventually(listed, ({ length }) => length === before + 2, { what: "both events set aside" })
  } finally {
    await connection.query("DROP TRIGGER point")
    await connection.end()
  }
  await revokedEvent(tenants[1]!, "after")
})
