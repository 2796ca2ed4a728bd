// Verifies R-BUS-10.
/** Validations in JSON while MariaDB is paused: the same verdicts as in Avro, each token by itself. */
import { afterAll, assert, beforeAll, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type Pair, startPair } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "stalls"
const appName = "valves"
/** A miss has no longer than that before its verdict is 503; what is hot is believed for as long as the test takes. */
const env = { CM_MISS_TIMEOUT: "500 millis", CM_LEASE: "30 seconds", CM_BARRIER_TIMEOUT: "1 minute" }
let pair: Pair
let service: Service
let client: Client

beforeAll(async () => {
  pair = await startPair()
  const options = { natsUrl: pair.nats.url, databaseUrl: pair.mariadb.url, instance }
  service = await startService({ ...options, env })
  client = await connectClient({ natsUrl: pair.nats.url, instance })
  assert.strictEqual((await client.ask("demo", "application.register", { appName })).status, 201)
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await pair?.stop()
})

it("what is hot is answered as ever, and what is not has the verdict 503", async () => {
  const made = await client.ask("demo", "token.provision", { appName, endpointId: "e" })
  const { token, tokenId } = made.body as { readonly tokenId: string; readonly token: string }
  // Hot by Avro alone: nobody has asked in JSON, and the replica has not looked whether the tenant is there.
  await eventuallyHot(token)
  pair.mariadb.kill("SIGSTOP")
  try {
    const asks = [
      client.ask("demo", "token.validate", { appName, token }),
      client.ask("demo", "token.validate-batch", { items: [{ appName, token }] }),
      client.ask("demo", "token.validate", { appName, token: "nobodys" }),
      client.ask("demo", "token.validate-batch", {
        items: [
          { appName, token: "nobodys-too" },
          { appName, token },
          { appName, token: "a/b" },
          { appName: "never-heard-of", token }
        ]
      })
    ] as const
    const [hot, hotBatch, miss, mixed] = await Promise.all(asks)
    assert.strictEqual((await client.validate(appName, token)).statusCode, 200)
    assert.strictEqual((await client.validate(appName, "nobodys")).statusCode, 503)
    assert.deepStrictEqual(
      [hot, hotBatch, miss, mixed].map(({ status }) => status),
      [200, 200, 200, 200]
    )
    const good = { statusCode: 200, reasonPhrase: null, tokenId, endpointId: "e", status: "Active" }
    const notKnown = { statusCode: 503, reasonPhrase: null, tokenId: null, endpointId: null, status: null }
    assert.deepStrictEqual(hot.body, good)
    assert.deepStrictEqual(hotBatch.body, { results: [good] })
    assert.deepStrictEqual(miss.body, notKnown)
    const { results } = mixed.body
    assert.deepStrictEqual([results[0], results[1], results[3]], [notKnown, good, notKnown])
    assert.strictEqual(results[2].statusCode, 400)
  } finally {
    pair.mariadb.kill("SIGCONT")
  }
})

/** Validations that this replica has answered from its hot table. */
const hotHits = async () =>
  Number(/^cm_validation_hot_hits_total\S* (\d+)/mu.exec(String((await client.admin("metrics")).body))?.[1] ?? 0)

/** Its first use is written, so that it is Active, and answers have come from the hot table since. A miss may take too long. */
const eventuallyHot = async (token: string) => {
  await eventually(
    async () => (await client.validate(appName, token)).statusCode,
    (statusCode) => statusCode === 200,
    { what: "a first verdict" }
  )
  await eventually(
    async () => (await client.ask("demo", "token.list", { appName })).body.content[0].status,
    (status) => status === "Active",
    { what: "the first use" }
  )
  const before = await hotHits()
  await eventually(
    async () => {
      await client.validate(appName, token)
      return hotHits()
    },
    (hits) => hits >= before + 8,
    { what: "answers from the hot table" }
  )
}
