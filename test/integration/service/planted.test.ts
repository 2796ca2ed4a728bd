// Verifies R-TOK-6, R-SEC-2.
/**
 * P5: what is secret reaches no log, no event, no bucket, no error, no metric. Token values are
 * planted, everything is done with them that can be done, and then every place is searched.
 */
import { jetstreamManager } from "@nats-io/jetstream"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { plantedSearch } from "../../support/plantedSearch.ts"
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

const { assertNowhere, searchStreams, searchTables } = plantedSearch(planted)

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
    await searchStreams(client.nc, [...names, ...buckets])
  })

  it("are in no table and no log line", async () => {
    await searchTables(database.url)
    assertNowhere("the log", service.output())
    assert.match(service.output(), /"msg":"ready"/u)
  })
})
