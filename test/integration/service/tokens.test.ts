// Verifies R-TOK-1, R-TOK-2, R-TOK-3, R-TOK-4, R-TOK-5, R-TOK-8, R-EVT-3, R-TOK-10, R-TOK-11.
/**
 * Endpoint tokens from outside: a client that knows the contract, the service as a process, a real
 * NATS server and a real MariaDB.
 */
import type { MsgHdrs } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { inTime, reached } from "../../support/inTime.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "tok"
let database: FreshDatabase
let service: Service
let client: Client

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  assert.strictEqual((await client.ask("demo", "application.register", { appName: "meters" })).status, 201)
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
})

const provision = async (endpointId: string, extra: Record<string, unknown> = {}) => {
  const answer = await client.ask("demo", "token.provision", { appName: "meters", endpointId, ...extra })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return answer.body as { readonly tokenId: string; readonly token: string; readonly version: number }
}

describe("a token's life", () => {
  it("is provisioned once, validated, suspended, refused, re-activated, revoked for ever", async () => {
    const { token, tokenId } = await provision("life")
    const first = await client.validate("meters", token)
    assert.deepInclude(first, { statusCode: 200, tokenId, endpointId: "life", reasonPhrase: null, timeout: 0 })

    assert.strictEqual((await client.ask("demo", "token.suspend", { tokenId, reason: "lost" })).status, 200)
    assert.deepInclude(await client.validate("meters", token), {
      statusCode: 403,
      tokenId,
      endpointId: "life",
      reasonPhrase: "Token is suspended"
    })
    assert.strictEqual((await client.ask("demo", "token.activate", { tokenId })).status, 200)
    assert.strictEqual((await client.validate("meters", token)).statusCode, 200)
    assert.strictEqual((await client.ask("demo", "token.revoke", { tokenId })).status, 200)
    assert.deepInclude(await client.validate("meters", token), { statusCode: 410, tokenId, endpointId: "life" })
    const again = await client.ask("demo", "token.activate", { tokenId })
    assert.deepStrictEqual([again.status, again.code], [409, "TRANSITION_NOT_ALLOWED"])
    assert.strictEqual((await client.ask("demo", "token.revoke", { tokenId })).status, 200)
    assert.deepStrictEqual((await client.ask("demo", "token.delete", { tokenId })).body, { deleted: 1 })
    const gone = await client.validate("meters", token)
    assert.deepInclude(gone, { statusCode: 404, tokenId: null, endpointId: null })
  })

  it("no successor lives longer than the first token, also when the old one is rotated twice", async () => {
    const expiresDate = new Date(Date.now() + 3_600_000).toISOString()
    const first = await provision("twice", { expiresDate })
    const rotate = (overlap: string) => client.ask("demo", "token.rotate", { tokenId: first.tokenId, overlap })
    for (const overlap of ["PT10M", "PT10M", "PT20M", "PT0S"]) {
      const answer = await rotate(overlap)
      assert.deepStrictEqual([answer.status, answer.body.expiresDate], [201, expiresDate])
      const old = (await client.ask("demo", "token.get", { tokenId: first.tokenId })).body
      assert.isAtMost(Date.parse(old.expiresDate), Date.now() + 600_000)
    }
    assert.strictEqual((await client.validate("meters", first.token)).reasonPhrase, "Token was rotated")
    assert.strictEqual((await rotate("PT1M")).code, "TRANSITION_NOT_ALLOWED")
  })

  it.each(["rotated", "expired", "revoked", "Token was rotated"])(
    "a caller's reason %s is a text and no state",
    async (reason) => {
      const { token, tokenId } = await provision(`reason-${reason.length}`)
      assert.strictEqual((await client.ask("demo", "token.revoke", { tokenId, reason })).status, 200)
      assert.strictEqual((await client.validate("meters", token)).reasonPhrase, "Token is revoked")
    }
  )

  it("becomes Active by its first use, once, and remembers it", async () => {
    const { token, tokenId } = await provision("first-use")
    assert.strictEqual((await client.ask("demo", "token.get", { tokenId })).body.status, "Inactive")
    await Promise.all(Array.from({ length: 20 }, () => client.validate("meters", token)))
    const answered = Date.now()
    // How long the machine takes just then for a request that writes, of which a recorded use is a few.
    let slowestMs = 0
    const record = await eventually(
      async () => {
        const asked = performance.now()
        const { body } = await client.ask("demo", "token.get", { tokenId })
        await provision("beside-the-first-use")
        slowestMs = Math.max(slowestMs, performance.now() - asked)
        return body
      },
      (body) => body.status === "Active"
    )
    assert.strictEqual(record.version, 2)
    // When it was recorded, by the database: however long we took to look.
    assert.isAtMost(new Date(record.activatedDate).getTime() - answered, 1_000 + 10 * slowestMs)
  })

  it("ends at its expiry, without anybody asking", async () => {
    const { end, token, tokenId } = await inTime(async (lifeMs) => {
      const end = Date.now() + lifeMs
      const body = { appName: "meters", endpointId: "expiring", expiresDate: new Date(end).toISOString() }
      const provisioned = await client.ask("demo", "token.provision", body)
      const { token, tokenId } = provisioned.body as { readonly tokenId: string; readonly token: string }
      const before = await client.validate("meters", token ?? "none")
      if (Date.now() >= end) return undefined
      assert.deepStrictEqual([provisioned.status, before.statusCode], [201, 200])
      return { end, token, tokenId }
    })
    await reached(end)
    assert.deepInclude(await client.validate("meters", token), { statusCode: 410, tokenId })
    assert.strictEqual((await client.ask("demo", "token.get", { tokenId })).body.status, "Revoked")
    const past = await client.ask("demo", "token.provision", {
      appName: "meters",
      endpointId: "past",
      expiresDate: "2020-01-01T00:00:00.000Z"
    })
    assert.deepStrictEqual([past.status, past.code], [400, "INVALID_REQUEST"])
  })

  it("rotates with overlap (both good, then one) and without (one at once)", async () => {
    const { end, old, overlapped } = await inTime(async (lifeMs) => {
      const old = await provision("rotating")
      const earliestEnd = Date.now() + lifeMs
      const overlap = `PT${lifeMs / 1_000}S`
      const overlapped = await client.ask("demo", "token.rotate", { tokenId: old.tokenId, overlap })
      assert.strictEqual(overlapped.status, 201, JSON.stringify(overlapped.body))
      const end = Date.now() + lifeMs
      assert.strictEqual((await client.validate("meters", overlapped.body.token)).statusCode, 200)
      const before = await client.validate("meters", old.token)
      if (Date.now() >= earliestEnd) return undefined
      assert.strictEqual(before.statusCode, 200)
      return { end, old, overlapped }
    })
    await reached(end)
    assert.strictEqual((await client.validate("meters", old.token)).statusCode, 410)
    const at = await client.ask("demo", "token.rotate", { tokenId: overlapped.body.tokenId })
    assert.strictEqual(at.status, 201)
    assert.strictEqual((await client.validate("meters", overlapped.body.token)).statusCode, 410)
    assert.strictEqual((await client.validate("meters", at.body.token)).statusCode, 200)
  })

  it("allows exactly the transitions of the table, over 16/ECAP too", async () => {
    const { token } = await provision("ecap-table")
    const to = (target: string) => client.transition("meters", token, target).then(({ statusCode }) => statusCode)
    assert.strictEqual(await to("Suspended"), 409)
    assert.strictEqual(await to("aCTIVE"), 200)
    assert.strictEqual(await to("Active"), 200)
    assert.strictEqual(await to("suspended"), 200)
    assert.strictEqual(await to("Suspended"), 200)
    assert.strictEqual(await to("Inactive"), 400)
    assert.strictEqual(await to("REVOKED"), 200)
    assert.strictEqual(await to("Revoked"), 200)
    assert.strictEqual(await to("Active"), 409)
    assert.strictEqual((await client.transition("meters", "no-such-token", "Active")).statusCode, 404)
    assert.strictEqual((await client.transition("no-such-app", token, "Active")).statusCode, 404)
  })
})

describe("validation answers every case of the table", () => {
  it("404 says which is unknown; 408, 400 carry what the contract says", async () => {
    const { token } = await provision("cases")
    const unknownToken = await client.validate("meters", "nobody-knows")
    const unknownApp = await client.validate("nothere", token)
    assert.strictEqual(unknownToken.statusCode, 404)
    assert.strictEqual(unknownApp.statusCode, 404)
    assert.match(unknownToken.reasonPhrase ?? "", /token/i)
    assert.match(unknownApp.reasonPhrase ?? "", /application/i)
    const late = await client.validate("meters", token, { timestamp: 1_000, timeout: 5, correlationId: "late" })
    assert.deepInclude(late, { statusCode: 408, correlationId: "late", tokenId: null })
    const inTime = await client.validate("meters", token, { timestamp: Date.now(), timeout: 300_000 })
    assert.strictEqual(inTime.statusCode, 200)
    assert.strictEqual((await client.validate("meters", token, { timeout: -1 })).statusCode, 400)
    assert.strictEqual((await client.validate("meters", "a+b")).statusCode, 400)
    assert.strictEqual((await client.validate("Meters", token)).statusCode, 400)
    const subject = `kaa.v1.service.${instance}.ecap.ep-token-request`
    const bad = await client.nc.request(subject, new Uint8Array([1, 2, 3]), { timeout: 60_000 })
    const answer = ecap.ValidationResponse.fromBuffer(Buffer.from(bad.data)) as ecap.Validated
    assert.deepInclude(answer, { statusCode: 400, correlationId: "", tokenId: null })
  })

  it("management's validate and validate-batch give the same verdicts in order, and dryRun is no use", async () => {
    const one = await provision("batch-1")
    const two = await provision("batch-2")
    await client.ask("demo", "token.revoke", { tokenId: two.tokenId })
    const dry = await client.ask("demo", "token.validate", { appName: "meters", token: one.token, dryRun: true })
    assert.deepInclude(dry.body, { statusCode: 200, tokenId: one.tokenId, endpointId: "batch-1", reasonPhrase: null })
    const batch = await client.ask("demo", "token.validate-batch", {
      items: [one, two, { token: "unknown" }, { token: "a.b" }].map(({ token }) => ({ appName: "meters", token }))
    })
    assert.deepStrictEqual(
      batch.body.results.map((item: { statusCode: number }) => item.statusCode),
      [200, 410, 404, 400]
    )
  })
})

describe("events", () => {
  it("one revocation event for each application and endpoint, after the change; a JSON event for every change", async () => {
    const heard: Array<{ tokenIds: ReadonlyArray<string>; endpointId: string; appName: string }> = []
    const json: Array<{ eventType: string; tokenId: string; headers: MsgHdrs | undefined }> = []
    client.nc.subscribe(`kaa.v1.events.${instance}.endpoint.token.revoked`, {
      callback: (_error, message) => {
        heard.push(ecap.RevokedEvent.fromBuffer(Buffer.from(message.data)) as never)
      }
    })
    client.nc.subscribe(`${instance}.events.v1.demo.>`, {
      callback: (_error, message) => {
        json.push({ ...message.json<{ eventType: string; tokenId: string }>(), headers: message.headers })
      }
    })
    await client.nc.flush()
    const a = await provision("evented")
    const b = await provision("evented")
    await client.validate("meters", a.token)
    const batch = await client.ask("demo", "token.transition-batch", {
      tokenIds: [a.tokenId, b.tokenId],
      targetStatus: "Revoked",
      reason: "stolen"
    })
    assert.deepStrictEqual(
      batch.body.results.map((item: { statusCode: number }) => item.statusCode),
      [200, 200]
    )
    // Another token's events come behind these: when they are here, no second one of these is to come.
    const fence = await provision("fence")
    await client.ask("demo", "token.revoke", { tokenId: fence.tokenId })
    await eventually(
      () => heard.some(({ endpointId }) => endpointId === "fence") && json.some((one) => one.tokenId === fence.tokenId),
      (seen) => seen
    )
    const events = heard.filter(({ endpointId }) => endpointId === "evented")
    assert.lengthOf(events, 1, "one event for the endpoint, with all its tokens")
    assert.sameMembers([...events[0]!.tokenIds], [a.tokenId, b.tokenId])
    assert.strictEqual(events[0]!.appName, "meters")
    const changes = await eventually(
      () => json.filter(({ tokenId }) => tokenId === a.tokenId),
      (seen) => seen.some(({ eventType }) => eventType === "token.revoked")
    )
    assert.deepStrictEqual(
      changes.map(({ eventType, headers }) => `${headers?.get("ce-entityversion")} ${eventType}`),
      ["1 token.provisioned", "2 token.activated", "3 token.revoked"]
    )
    for (const { eventType, headers } of json) {
      assert.strictEqual(headers?.get("ce-type"), eventType)
      assert.strictEqual(headers?.get("ce-datacontenttype"), "application/json")
      assert.strictEqual(headers?.get("ce-id"), headers?.get("Nats-Msg-Id"))
    }
  })

  it("an endpoint that is unregistered loses its tokens; the same bytes as registered do nothing", async () => {
    const { token } = await provision("leaving")
    const unregistered = {
      correlationId: "c",
      timestamp: Date.now(),
      timeout: 0,
      appVersionName: "meters-v1",
      endpointId: "leaving",
      originatorReplicaId: "epr-1"
    }
    const bytes = ecap.UnregisteredEvent.toBuffer(unregistered)
    client.nc.publish(`kaa.v1.events.epr-${instance}.endpoint.lifecycle.registered`, bytes)
    // Another endpoint's end comes behind it: when that is carried out, this one was not.
    const fence = await provision("fence-of-registered")
    const behind = { ...unregistered, endpointId: "fence-of-registered" }
    client.nc.publish(
      `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`,
      ecap.UnregisteredEvent.toBuffer(behind)
    )
    await eventually(
      () => client.validate("meters", fence.token),
      (answer) => answer.statusCode === 404
    )
    assert.strictEqual((await client.validate("meters", token)).statusCode, 200)
    client.nc.publish(`kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`, bytes)
    await eventually(
      () => client.validate("meters", token),
      (answer) => answer.statusCode === 404
    )
    const list = await client.ask("demo", "token.list", { endpointId: "leaving" })
    assert.deepStrictEqual(list.body.content, [])
  })
})
