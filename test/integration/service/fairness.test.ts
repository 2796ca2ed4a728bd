// Verifies R-LIM-3.
/**
 * One tenant's flood and another tenant's requests, on one connection, so that answers arrive in the order in which
 * they were given: what comes behind a flood is begun before the flood's backlog is through.
 */
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "fai"
const [loud, quiet] = ["fai-loud", "fai-quiet"]
/** All of them have places, and none has to wait so long that it is refused, on a machine that has much else to do. */
const floodCount = 100
/** Who has waited for its turn for ten seconds is refused, all the same: by a machine that has more to do than that. */
const lateMs = 9_500
let database: FreshDatabase
let service: Service
let client: Client

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 60_000 })
  for (const tenantId of [loud, quiet]) {
    assert.strictEqual((await client.admin("tenants.create", { tenantId })).status, 201)
    assert.strictEqual((await client.ask(tenantId, "application.register", { appName: tenantId })).status, 201)
  }
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
})

/** Each is a thousand items to judge, small on the wire, and refused without asking the database. */
const batchOfNothing = () => client.ask(loud, "token.provision-batch", { items: Array(1_000).fill({}) })

it("a request behind a flood is begun before half of the flood is done", async () => {
  for (let round = 0; round < 2; round++) {
    const order: Array<string> = []
    const asked = performance.now()
    const flood = Array.from({ length: floodCount }, () =>
      batchOfNothing().then(({ status }) =>
        order.push(status === 429 && performance.now() - asked > lateMs ? "loud late" : `loud ${status}`)
      )
    )
    const behind = [
      [quiet, "token.get"],
      [quiet, "token.revoke"],
      [loud, "token.revoke"]
    ].map(([tenantId = "", operation = ""]) =>
      client
        .ask(tenantId, operation, { none: 1 })
        .then(({ status }) => order.push(`${tenantId} ${operation} ${status}`))
    )
    await Promise.all([...flood, ...behind])
    assert.strictEqual(order.filter((answer) => ["loud 400", "loud late"].includes(answer)).length, floodCount)
    // Its own flood does not delay what it takes away, either.
    for (const answer of [`${quiet} token.get 400`, `${quiet} token.revoke 400`, `${loud} token.revoke 400`]) {
      assert.include(order, answer)
      assert.isBelow(order.indexOf(answer), floodCount / 2, `${answer} in round ${round}`)
    }
  }
}, 300_000)

it("what is over the limit is 429, and the other tenant is refused nothing meanwhile, its revocations least", async () => {
  const floods: ReadonlyArray<() => Promise<{ readonly status: number }>> = [
    batchOfNothing,
    () => client.ask(loud, "token.list", { appName: loud, limit: 1_000 }),
    () => client.ask(loud, "token.transition-batch", { tokenIds: Array(1_000).fill("x"), targetStatus: "Revoked" }),
    () => client.ask(loud, "token.provision", { appName: loud, endpointId: "e" }),
    // Whose application it is, the replica knows since it was validated.
    () => client.transition(loud, "nobodys", "Active").then(({ statusCode }) => ({ status: statusCode }))
  ]
  assert.strictEqual((await client.validate(loud, "nobodys")).statusCode, 404)
  const limited = await client.admin("tenants.configure", { tenantId: loud, limits: { requestsInFlight: 8 } })
  assert.strictEqual(limited.status, 200)
  for (const one of floods) {
    const flood = Array.from({ length: 400 }, one)
    const made = await client.ask(quiet, "token.provision", { appName: quiet, endpointId: "q" })
    assert.strictEqual(made.status, 201, JSON.stringify(made.body))
    const ended = await client.transition(quiet, made.body.token, "Revoked")
    assert.strictEqual(ended.statusCode, 200)
    const again = await client.ask(quiet, "token.revoke", { tokenId: made.body.tokenId })
    assert.strictEqual(again.status, 200, JSON.stringify(again.body))
    const statuses = (await Promise.all(flood)).map(({ status }) => status)
    assert.include(statuses, 429)
    assert.isBelow(statuses.filter((status) => status === 429).length, statuses.length)
    assert.isEmpty(statuses.filter((status) => status >= 500))
  }
}, 300_000)
