// Verifies R-BUS-30.
/**
 * Header blocks and subjects that no library would send harm nobody: they are answered 400, or counted, and no
 * connection of the service ends. Each goes to every kind of subscription of the service.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { headerBytesMax, linesMax } from "../../../src/nats/Door.ts"
import { type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type RawClient, rawClient } from "../../support/rawClient.ts"
import { administrator } from "../../support/roleAccounts.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "hdr"
let database: FreshDatabase
let service: Service
let client: Client
let raw: RawClient
let rawAdministrator: RawClient

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  const port = Number(new URL(inject("natsUrl")).port)
  raw = await rawClient({ port })
  rawAdministrator = await rawClient({ port, user: administrator, password: administrator, inboxPrefix: "_INBOX" })
  await client.ask("demo", "application.register", { appName: "app" })
  await client.ask("demo", "token.provision", { appName: "app", endpointId: "e", token: "good-token-1" })
})
afterAll(async () => {
  raw?.close()
  rawAdministrator?.close()
  await client?.close()
  await service?.stop()
  await database?.drop()
})

const blocks: Record<string, string> = {
  "a name with a blank": "NATS/1.0\r\na b: x\r\n\r\n",
  "a blank before the colon": "NATS/1.0\r\nCorrelation-ID : x\r\n\r\n",
  "a lone line feed in a value": "NATS/1.0\r\nA: x\ny\r\n\r\n",
  "a lone carriage return in a value": "NATS/1.0\r\nA: x\ry\r\n\r\n",
  "a name beyond ASCII": "NATS/1.0\r\nSchl\u00c3\u00bcssel: x\r\n\r\n",
  "bytes that are no text": "NATS/1.0\r\n\xff\xfe\xfd: \xff\r\n\r\n",
  "no end": "NATS/1.0\r\nA: x",
  "an end cut off": "NATS/1.0\r\nIdempotency-Key: k\r\n",
  "half of an end": "NATS/1.0\r\nA: x\r\n\r",
  "no version": "A: x\r\n\r\n",
  "another version": "NATS/2.0\r\nA: x\r\n\r\n",
  "a line more than are read": `NATS/1.0\r\n${"A: x\r\n".repeat(linesMax + 1)}\r\n`,
  // The library's own decoding of these takes most of a minute.
  "forty thousand names": `NATS/1.0\r\n${Array.from({ length: 40_000 }, (_, n) => `H${n}: v\r\n`).join("")}\r\n`,
  "more bytes than are read": `NATS/1.0\r\nX-Long: ${"x".repeat(headerBytesMax)}\r\n\r\n`
}
/** Strange, but readable: answered like any other. */
const readable: Record<string, string> = {
  "no name": "NATS/1.0\r\n: x\r\n\r\n",
  "a status": "NATS/1.0 503 No Responders\r\n\r\n",
  "a status and text": "NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n\r\n",
  "only the first line": "NATS/1.0\r\n\r\n",
  "a line without a colon": "NATS/1.0\r\nnothing\r\n\r\n",
  "an empty value": "NATS/1.0\r\nCorrelation-ID:\r\n\r\n",
  "a very long value": `NATS/1.0\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`,
  "as many lines as are read": `NATS/1.0\r\n${"A: x\r\n".repeat(linesMax - 1)}\r\n`
}
const validation = ecap.ValidationRequest.toBuffer({
  correlationId: "c",
  timestamp: 1_700_000_000_000,
  timeout: 0,
  appName: "app",
  token: "good-token-1"
})
const transition = ecap.TransitionRequest.toBuffer({
  correlationId: "c",
  timestamp: 1_700_000_000_000,
  timeout: 0,
  appName: "app",
  token: "nobody-has-this",
  targetStatus: "Suspended"
})

/** A connection that was lost says so in the log and in the metrics. */
const disconnects = async () => {
  const { body } = await client.admin("metrics")
  return [...String(body).matchAll(/^cm_nats_disconnects_total\S* (\d+)/gmu)].reduce((sum, [, n]) => sum + Number(n), 0)
}
const nothingHappened = async () => {
  assert.strictEqual((await client.validate("app", "good-token-1")).statusCode, 200)
  await eventually(
    () => client.admin("ready"),
    ({ status }) => status === 200,
    { what: "the service being ready" }
  )
  assert.strictEqual(await disconnects(), 0)
  assert.notMatch(service.output(), /"level":"error"|reader closed/u)
}

describe("headers that break the rules", () => {
  it.each(Object.entries(blocks))("%s is 400 for a request, and no harm to others", async (_, headers) => {
    const asked = performance.now()
    const [imported, management, unknown, validated, transitioned] = await Promise.all([
      rawAdministrator.ask({ subject: `${instance}.v1.demo.token.list`, headers, payload: "{}" }),
      raw.ask({ subject: `${instance}.v1.demo.token.list`, headers, payload: "{}" }),
      raw.ask({ subject: `${instance}.v1.demo.no.such`, headers, payload: "{}" }),
      raw.ask({ subject: `kaa.v1.service.${instance}.ecap.ep-token-request`, headers, payload: validation }),
      raw.ask({
        subject: `kaa.v1.service.${instance}.ecap.ep-token-status-transition-request`,
        headers,
        payload: transition
      }),
      raw.ask({ subject: "$SRV.PING.credential-management", headers })
    ])
    const { details, statusCode } = JSON.parse(imported.data.toString()).error
    // A server writes its own line into what it takes for the end, so that nobody knows who asks any more, or a line says too much.
    if (headers.endsWith("\r\n\r\n")) assert.strictEqual(details.path, "headers")
    else assert.include([400, 401], statusCode)
    const body = JSON.parse(management.data.toString())
    assert.deepInclude(body.error, { code: "INVALID_REQUEST", statusCode: 400, details: body.error.details })
    assert.strictEqual(body.error.details.path, "headers")
    assert.strictEqual(JSON.parse(unknown.data.toString()).error.code, "OPERATION_NOT_FOUND")
    assert.strictEqual((ecap.ValidationResponse.fromBuffer(validated.data) as ecap.Validated).statusCode, 400)
    assert.strictEqual(
      (ecap.TransitionResponse.fromBuffer(transitioned.data) as { statusCode: number }).statusCode,
      400
    )
    await nothingHappened()
    assert.isBelow(performance.now() - asked, 30_000)
  })

  it.each(Object.entries(readable))("%s is read like any other", async (_, headers) => {
    const answer = await rawAdministrator.ask({
      subject: `${instance}.v1.demo.application.list`,
      headers,
      payload: "{}"
    })
    assert.deepNestedInclude(JSON.parse(answer.data.toString()), { "content[0].appName": "app" })
    await nothingHappened()
  })

  it("events with them are dropped and counted, and the next one takes effect", async () => {
    await client.ask("demo", "token.provision", { appName: "app", endpointId: "gone", token: "goes-with-it" })
    const subject = `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`
    const event = (endpointId: string) =>
      ecap.UnregisteredEvent.toBuffer({
        correlationId: "c",
        timestamp: 1_700_000_000_000,
        timeout: 0,
        appVersionName: "v",
        endpointId,
        tenantId: "demo",
        originatorReplicaId: "epr"
      })
    for (const headers of Object.values(blocks)) {
      raw.publish({ subject, headers, payload: event("e") })
      raw.publish({ subject: `kaa.v1.events.tm-${instance}.tenant.lifecycle.updated`, headers, payload: event("e") })
    }
    raw.publish({ subject, payload: event("gone") })
    await eventually(
      () => client.validate("app", "goes-with-it"),
      ({ statusCode }) => statusCode === 404
    )
    await nothingHappened()
    const { body } = await client.admin("metrics")
    assert.match(String(body), /cm_messages_dropped_total\{[^}]*headers_unreadable[^}]*\} [1-9]/u)
  })

  it("between replicas, in inboxes and from buckets and streams they are no harm either", async () => {
    const manager = await jetstreamManager(client.nc, { timeout: 60_000 })
    const names = { leases: `KV_${instance.toUpperCase()}_LEASES`, tokens: `KV_${instance.toUpperCase()}_TOKENS` }
    for (const headers of [...Object.values(blocks), ...Object.values(readable)]) {
      for (const type of ["apply", "appear", "in-force", "ack.one.x", "outbox.wake"]) {
        raw.publish({ subject: `${instance}.internal.v1.${type}`, headers, payload: "{}" })
      }
      raw.publish({ subject: `$KV.${instance.toUpperCase()}_TOKENS.demo.x`, headers, payload: "{}" })
      raw.publish({ subject: `${instance}.events.v1.demo.token.x`, headers, payload: "{}" })
    }
    await raw.flush()
    const provisioned = await client.ask("demo", "token.provision", { appName: "app", endpointId: "r" })
    assert.strictEqual(provisioned.status, 201)
    const revoked = await client.ask("demo", "token.revoke", { tokenId: provisioned.body.tokenId })
    assert.strictEqual(revoked.status, 200)
    // The relay goes on past what a stranger stored in the stream.
    await eventually(
      () =>
        manager.streams.getMessage(`${instance.toUpperCase()}_EVENTS`, {
          last_by_subj: `${instance}.events.v1.demo.token.revoked`
        }),
      (message) => message !== null && Buffer.from(message.data).includes(provisioned.body.tokenId)
    )
    assert.isAbove((await manager.streams.info(names.tokens)).state.messages, 0)
    assert.isAbove(
      (await jetstream(client.nc, { timeout: 60_000 }).publish(`$KV.${instance.toUpperCase()}_TOKENS.demo.y`, "x")).seq,
      0
    )
    await nothingHappened()
  })
})

describe("subjects with a carriage return", () => {
  it("are answered as what does not exist, and are no harm wherever they arrive", async () => {
    const imported = await rawAdministrator.ask({ subject: `${instance}.v1.de\rmo.token.list`, payload: "{}" })
    assert.strictEqual(JSON.parse(imported.data.toString()).error.code, "INVALID_TENANT")
    const unknown = await raw.ask({ subject: `${instance}.v1.demo.token.list\r1`, payload: "{}" })
    assert.strictEqual(JSON.parse(unknown.data.toString()).error.code, "OPERATION_NOT_FOUND")
    for (const subject of [
      `${instance}.v1.demo.token.list\r1`,
      `${instance}.admin.v1.a\rb`,
      `${instance}.internal.v1.a\rb`,
      `kaa.v1.events.epr\r${instance}.endpoint.lifecycle.unregistered`,
      `kaa.v1.events.tm\r${instance}.tenant.lifecycle.updated`,
      `$KV.${instance.toUpperCase()}_TOKENS.de\rmo.x`,
      `$KV.${instance.toUpperCase()}_LEASES.a\rb`,
      `${instance}.events.v1.de\rmo.token.x`,
      `kaa.v1.events.${instance}.endpoint.token.revoked`
    ]) {
      raw.publish({ subject, payload: "{}" })
      raw.publish({ subject, payload: "{}", reply: "_INBOX.a\rb" })
    }
    raw.publish({
      subject: `kaa.v1.service.${instance}.ecap.ep-token-request`,
      payload: validation,
      reply: "_INBOX.a\rb"
    })
    raw.publish({ subject: "$SRV.PING", reply: "_INBOX.a\rb" })
    await raw.flush()
    // Behind all of those, on each connection.
    await client.ask("demo", "token.provision", { appName: "app", endpointId: "left", token: "leaves-at-last" })
    raw.publish({
      subject: `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`,
      payload: ecap.UnregisteredEvent.toBuffer({
        correlationId: "c",
        timestamp: 1_700_000_000_000,
        timeout: 0,
        appVersionName: "v",
        endpointId: "left",
        tenantId: "demo",
        originatorReplicaId: "epr"
      })
    })
    await eventually(
      () => client.validate("app", "leaves-at-last"),
      ({ statusCode }) => statusCode === 404
    )
    await nothingHappened()
  })
})
