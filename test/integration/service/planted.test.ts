// Verifies R-TOK-6, R-SEC-2.
/**
 * P5: what is secret reaches no log, no event, no bucket, no error, no metric. Token values are
 * planted, everything is done with them that can be done, and then every place is searched.
 */
import { jetstreamManager } from "@nats-io/jetstream"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "pla"
const planted = ["Planted-One-7f3a91c2", "Planted-Two-b81d04e6", "Planted-Three-55aa10ff"] as const
let database: FreshDatabase
let service: Service
let client: Client
const answers: Array<string> = []

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: { LOG_LEVEL: "trace" }
  })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
})

/** Every form in which a value could be carried away. */
const formsOf = (value: string): ReadonlyArray<string> => [
  value,
  Buffer.from(value).toString("hex"),
  Buffer.from(value).toString("base64").replace(/=+$/u, ""),
  Buffer.from(value).toString("base64url")
]
const assertNowhere = (place: string, text: string) => {
  for (const value of planted) {
    for (const form of formsOf(value)) {
      assert.isFalse(text.toLowerCase().includes(form.toLowerCase()), `${place} holds a planted value`)
    }
  }
}

const ask = async (operation: string, body: unknown) => {
  const answer = await client.ask("demo", operation, body)
  answers.push(JSON.stringify(answer.body))
  return answer
}

describe("planted token values", () => {
  it("appear in the answers to provision and rotate and nowhere else", async () => {
    await ask("application.register", { appName: "app" })
    answers.length = 0
    const [one, two, three] = planted
    const provisioned = await client.ask("demo", "token.provision", { appName: "app", endpointId: "e", token: one })
    assert.strictEqual(provisioned.body.token, one)
    const { tokenId } = provisioned.body
    await ask("token.provision", { appName: "app", endpointId: "e", token: one })
    await client.validate("app", one)
    await client.validate("app", two)
    await ask("token.validate", { appName: "app", token: one })
    await ask("token.validate-batch", { items: planted.map((token) => ({ appName: "app", token })) })
    const rotated = await client.ask("demo", "token.rotate", { tokenId, token: two, overlap: "PT1H" })
    assert.strictEqual(rotated.body.token, two)
    await ask("token.suspend", { appName: "app", token: two })
    await ask("token.suspend", { appName: "app", token: one, reason: "lost" })
    await client.transition("app", one, "Active")
    await client.transition("app", three, "Active")
    await ask("token.transition", { appName: "app", token: three, targetStatus: "Nonsense" })
    await ask("token.get", { tokenId: three })
    await ask("token.provision", { appName: "app", endpointId: "e", token: `${three}+`, description: 5 })
    await ask("token.provision", `{"appName":"app","token":"${three}"`)
    await ask("token.list", { endpointId: "e" })
    await ask("token.revoke", { appName: "app", token: one })
    await ask("token.delete", { endpointId: "e" })
    for (const answer of answers) assertNowhere("an answer", answer)
    for (const operation of ["health", "ready", "metrics", "config.show"]) {
      assertNowhere(operation, JSON.stringify((await client.admin(operation)).body))
    }
  })

  it("are in no stream and no bucket", async () => {
    const manager = await jetstreamManager(client.nc, { timeout: 60_000 })
    const names = ["EVENTS", "REVOCATIONS"].map((name) => `PLA_${name}`)
    const buckets = ["TOKENS", "METADATA", "LEASES"].map((name) => `KV_PLA_${name}`)
    await eventually(
      () => manager.streams.info(names[0]!),
      (info) => info.state.messages >= 5
    )
    for (const stream of [...names, ...buckets]) {
      const { state } = await manager.streams.info(stream)
      let read = 0
      for (let sequence = Math.max(1, state.first_seq); sequence <= state.last_seq; sequence++) {
        // Null is a sequence whose message another one has replaced; what cannot be read fails.
        const message = await manager.streams.getMessage(stream, { seq: sequence })
        if (message === null) continue
        read++
        const headers = Array.from(message.header.keys(), (key) => `${key}: ${message.header.get(key)}`).join("\n")
        assertNowhere(stream, `${message.subject}\n${headers}\n${Buffer.from(message.data).toString("latin1")}`)
      }
      // A bucket's entries may be written anew meanwhile; an event stays.
      if (stream.startsWith("KV_")) assert.isTrue(read > 0 || state.messages === 0, stream)
      else assert.strictEqual(read, state.messages, stream)
    }
  })

  it("are in no table and no log line", async () => {
    const connection = await connectSql(database.url)
    const tables: ReadonlyArray<Record<string, string>> = await connection.query("SHOW TABLES")
    for (const row of tables) {
      const [table] = Object.values(row)
      const rows: ReadonlyArray<Record<string, unknown>> = await connection.query(`SELECT * FROM \`${table}\``)
      for (const found of rows) {
        for (const value of Object.values(found)) {
          assertNowhere(`table ${table}`, Buffer.isBuffer(value) ? value.toString("latin1") : String(value))
        }
      }
    }
    await connection.end()
    assertNowhere("the log", service.output())
    assert.match(service.output(), /"msg":"ready"/u)
  })
})
