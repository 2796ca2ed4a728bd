// Verifies R-SEC-2.
/**
 * P5 for third-party secrets: they are in the answer that hands them out and nowhere else. Every place
 * that can be looked into is searched for every form of what was planted; the process's memory too,
 * as far as a heap snapshot shows it. Verifies: R-SEC-2.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { jetstreamManager } from "@nats-io/jetstream"
import { createCurve } from "@nats-io/nkeys"
import { connect } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { plantedSearch } from "../../support/plantedSearch.ts"
import { temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "pls"
const planted = ["Planted-Secret-7f3a91c2", "Planted-Rotated-b81d04e6", "Planted-Refused-55aa10ff"] as const
const [first, second, refused] = planted
const folder = temporaryFolder()
let database: FreshDatabase
let service: Service
let client: Client
const bus: Array<string> = []
const answers: Array<string> = []

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: {
      LOG_LEVEL: "trace",
      CM_AUDIT_CHECKPOINT_EVERY: "1 second",
      NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder.path}`
    }
  })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
  folder.remove()
})

const { assertNowhere, searchStreams, searchTables } = plantedSearch(planted)

const ask = async (operation: string, body: unknown) => {
  const answer = await client.ask("demo", operation, body)
  answers.push(JSON.stringify(answer.body))
  return answer
}
const basic = (password: string) => ({ username: "u", password })

describe("planted secrets", () => {
  it("are in no answer but the one that hands them out, and on the bus only as what was sent to us", async () => {
    const stored = await ask("credential.store", {
      service_name: "outlook",
      type: "basic",
      credentials: basic(first),
      allowed_consumers: ["mail"],
      expires_at: new Date(Date.now() + 3_600_000).toISOString()
    })
    const credential_id = stored.body.credential_id
    await ask("credential.store", { service_name: "outlook", type: "basic", credentials: basic(refused) })
    await ask("credential.store", { service_name: "x", type: "api_key", credentials: { wrong: refused } })
    await ask("credential.store", { service_name: "x", type: "api_key", credentials: { api_key: { deep: refused } } })
    await ask("credential.store", { service_name: "x", type: "api_key", credentials: refused })
    await ask("credential.store", `{"service_name":"x","credentials":{"api_key":"${refused}"`)
    await ask("credential.rotate", { credential_id, credentials: { password: refused } })
    await ask("credential.rotate", { credential_id, credentials: basic(second), overlap: "PT1H" })
    await ask("credential.get", { credential_id })
    await ask("credential.get.chat", { credential_id })

    const ear = await connect({ servers: inject("natsUrl") })
    ear.subscribe(">", { callback: (_, message) => void bus.push(`${message.subject} ${message.string()}`) })
    await ear.flush()
    const key = createCurve()
    const got = await ask("credential.get.mail", { credential_id, seal_to: key.getPublicKey() })
    const opened = key.open(new Uint8Array(Buffer.from(got.body.sealed, "base64")), got.body.sealed_by)
    assert.include(new TextDecoder().decode(opened ?? new Uint8Array()), second)
    for (const operation of ["describe", "history"]) await ask(`credential.${operation}`, { credential_id })
    await ask("credential.list", {})
    await ask("audit.list", { limit: 1000 })
    await ask("service.disable", { service_name: "outlook" })
    await ask("credential.get.mail", { credential_id })
    await ask("service.enable", { service_name: "outlook" })
    await ask("credential.revoke", { credential_id, reason: "leaked" })
    for (const operation of ["health", "ready", "metrics", "config.show", "keys.list"]) {
      assertNowhere(operation, JSON.stringify((await client.admin(operation)).body))
    }
    await ear.flush()
    for (const answer of answers) assertNowhere("an answer", answer)
    assert.isAbove(bus.length, 10)
    for (const message of bus) assertNowhere("the bus", message)
    await ear.close()
    const clear = await client.ask("demo", "credential.store", {
      service_name: "y",
      type: "basic",
      credentials: basic(first),
      allowed_consumers: ["mail"]
    })
    const inClear = await client.ask("demo", "credential.get.mail", { credential_id: clear.body.credential_id })
    assert.strictEqual(inClear.body.credentials.password, first)
  })

  it("are in no stream and no bucket", async () => {
    const manager = await jetstreamManager(client.nc, { timeout: 60_000 })
    const streams = ["PLS_EVENTS", "PLS_REVOCATIONS", "KV_PLS_TOKENS", "KV_PLS_METADATA", "KV_PLS_LEASES"]
    await eventually(
      () => manager.streams.info("PLS_EVENTS"),
      (info) => info.state.messages >= 4
    )
    assert.isAbove((await manager.streams.info("KV_PLS_METADATA")).state.messages, 0)
    await searchStreams(client.nc, streams)
  })

  it("are in no table and no log line", async () => {
    await searchTables(database.url)
    assertNowhere("the log", service.output())
    assert.match(service.output(), /"msg":"ready"/u)
  })

  it("are not kept in the heap once the requests are finished", async () => {
    // Other requests push the last ones out of the buffers that are used again and again.
    for (let n = 0; n < 200; n++) await client.ask("demo", "credential.list", { limit: 1 })
    service.kill("SIGUSR2")
    const whole = await eventually(
      () => readFileSync(join(folder.path, readdirSync(folder.path)[0]!), "utf8"),
      (text) => text.trimEnd().endsWith("}"),
      { limitMs: 120_000, everyMs: 500, what: "the whole heap snapshot" }
    )
    assert.isTrue(whole.includes("credential.list"))
    assertNowhere("the heap", whole)
  })
})
