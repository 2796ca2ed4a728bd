// Verifies R-LIM-1, R-LIM-2.
/** The limits of a tenant on two replicas: in force when they are answered, told by name, and nobody else's. */
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "lim"
let database: FreshDatabase
let replicas: ReadonlyArray<Service> = []
let client: Client

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const options = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance }
  const one = await startService({ ...options, replica: "one" })
  replicas = [one]
  replicas = [one, await startService({ ...options, replica: "two", keyFile: one.keyFile })]
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 30_000 })
  for (const tenantId of ["lim-a", "lim-b"]) {
    assert.strictEqual((await client.admin("tenants.create", { tenantId })).status, 201)
    assert.strictEqual((await client.ask(tenantId, "application.register", { appName: tenantId })).status, 201)
  }
})
afterAll(async () => {
  await client?.close()
  await Promise.all(replicas.map((replica) => replica.stop()))
  await database?.drop()
})

const configure = async (limits: Record<string, number | null>) =>
  assert.strictEqual((await client.admin("tenants.configure", { tenantId: "lim-a", limits })).status, 200)
const batchOf = (tenantId: string) =>
  client.ask(tenantId, "token.transition-batch", { tokenIds: ["a", "b"], targetStatus: "Revoked" })
const times = <A>(count: number, of: (n: number) => Promise<A>) =>
  Promise.all(Array.from({ length: count }, (_, n) => of(n)))

it("are in force on both replicas when they are answered, twenty times", { timeout: 300_000 }, async () => {
  for (let turn = 0; turn < 20; turn++) {
    const limited = turn % 2 === 0
    await configure({ batchItems: limited ? 1 : null })
    const answers = await times(16, () => batchOf("lim-a"))
    const wanted = limited ? 400 : 200
    assert.deepStrictEqual(Array.from(new Set(answers.map(({ status }) => status))), [wanted], `turn ${turn}`)
  }
  const [refused, other] = [await configure({ batchItems: 1 }).then(() => batchOf("lim-a")), await batchOf("lim-b")]
  assert.deepStrictEqual([refused.code, refused.body.error.details.path], ["INVALID_REQUEST", "tokenIds"])
  assert.strictEqual(other.status, 200)
  await configure({ batchItems: null })
})

it("misses a second: what is over them is 429, of that tenant alone, and null gives the default back", async () => {
  // A value that was not asked for before is a miss.
  const misses = async (tenantId: string, of: string) => {
    const codes = await times(200, async (n) => (await client.validate(tenantId, `${of}${n}nobodys`)).statusCode)
    return { known: codes.filter((code) => code === 404).length, refused: codes.filter((code) => code === 429).length }
  }
  await configure({ missesPerSecond: 1 })
  const mine = await misses("lim-a", "x")
  assert.isAbove(mine.refused, 100)
  assert.strictEqual(mine.known + mine.refused, 200)
  assert.deepStrictEqual(await misses("lim-b", "x"), { known: 200, refused: 0 })
  await configure({ missesPerSecond: null })
  assert.deepStrictEqual(await misses("lim-a", "y"), { known: 200, refused: 0 })
})

it("requests in flight: what is over them is 429 with the limit's name and when to come back", async () => {
  await configure({ requestsInFlight: 1 })
  const answers = await times(100, (n) =>
    client.ask("lim-a", "token.provision", { appName: "lim-a", endpointId: `e${n}` })
  )
  const refused = answers.filter(({ status }) => status === 429)
  assert.isNotEmpty(refused)
  for (const { body, code } of refused) {
    assert.strictEqual(code, "TOO_MANY_REQUESTS")
    assert.strictEqual(body.error.details.limit, "requestsInFlight")
    assert.isAbove(body.error.details.retryAfterMs, 0)
  }
  // What is answered from the hot table is no request of management.
  const [made] = answers.filter(({ status }) => status === 201)
  const item = { appName: "lim-a", token: made!.body.token as string }
  const validated = await times(100, (n) =>
    n % 2 === 0
      ? client.ask("lim-a", "token.validate", item)
      : client.ask("lim-a", "token.validate-batch", { items: [item] })
  )
  assert.deepStrictEqual(
    validated.map(({ body, status }) => [status, body.statusCode ?? body.results?.[0].statusCode]),
    validated.map(() => [200, 200])
  )
  await configure({ requestsInFlight: null })
  const asked = performance.now()
  const again = await times(100, async (n) => {
    const { status } = await client.ask("lim-a", "token.provision", { appName: "lim-a", endpointId: `f${n}` })
    // Who has waited for its turn for ten seconds, on a machine that has much else to do, is told 429 as well.
    return status === 429 && performance.now() - asked > 9_500 ? "late" : status
  })
  assert.deepStrictEqual(
    again.filter((status) => status !== "late" && status !== 201),
    []
  )
  assert.include(again, 201)
})
