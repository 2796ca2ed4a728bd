// Verifies R-REV-8.
/** `tenants.remove`, asked again and again while a replica is paused: no answer says "gone" before it is. */
import { Kvm } from "@nats-io/kv"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "removing"
let database: FreshDatabase
let sql: Connection
let one: Service
let two: Service
let client: Client
let bus: NatsConnection

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  sql = await connectSql(database.url)
  // So long it is not in force: on a machine that is busy, longer than it takes to ask so often.
  const env = { CM_LEASE: "10 seconds" }
  const options = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, env }
  one = await startService({ ...options, replica: "one" })
  two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  bus = await connect({ servers: inject("natsUrl") })
})
afterAll(async () => {
  await client?.close()
  await bus?.close()
  await Promise.all([one?.stop(), two?.stop()])
  await sql?.end()
  await database?.drop()
})

const numberOf = async (statement: string): Promise<number> => Number((await sql.query(statement))[0].n)
const pending = () => numberOf("SELECT COUNT(*) n FROM pending_revocations WHERE tenant_id = 'acme'")
const removed = () => numberOf("SELECT COUNT(*) n FROM tenants WHERE tenant_id = 'acme' AND removed_at IS NOT NULL")
/**
 * Leases of the replica that is paused which nobody has outwaited: while there is one, it may answer 200 when it goes
 * on. An entry that is gone aged out of the bucket, long after the lease in it had ended.
 */
const trusted = async (): Promise<number> => {
  const bucket = await new Kvm(bus).open(`${instance.toUpperCase()}_LEASES`)
  let held = 0
  for await (const key of await bucket.keys("lease.two.>")) {
    const entry = await bucket.get(key)
    if (entry !== null && entry.json<{ readonly state: string }>().state !== "removed") held++
  }
  return held
}

it("a repetition waits for what the first waits for, with its key and without", async () => {
  assert.strictEqual((await client.admin("tenants.create", { tenantId: "acme" })).status, 201)
  assert.isAbove(await trusted(), 0, "the replica that will be paused holds no lease")
  two.kill("SIGSTOP")
  /** Each ends before the test does; what failed in one of them is thrown at the end. */
  const asked: Array<Promise<unknown>> = []
  try {
    /** What was answered, and how many leases could be trusted then. */
    const answers: Array<readonly [status: number, trusted: number]> = []
    const ask = (headers: Record<string, string>) => {
      const answered = client.admin("tenants.remove", { tenantId: "acme" }, headers).then(
        // On a machine that is busy some are told 503, which promises nothing.
        async ({ status }) => void (status === 503 || answers.push([status, await trusted()])),
        () => undefined // the replica that is paused gives no answer in time
      )
      asked.push(answered.catch((error: unknown) => error))
    }
    // The bus gives about half of them to the replica that is paused, so it is asked until one came to the other; and
    // of the repetitions so many are asked that some of each kind come to it.
    const key = { "Idempotency-Key": "remove-acme" }
    const askUntilDone = async () => {
      ask(key)
      return removed()
    }
    await eventually(askUntilDone, (n) => n === 1, { everyMs: 200, what: "the removal's commit" })
    for (let n = 0; n < 48; n++) ask(n % 2 === 0 ? key : {})
    assert.strictEqual(await pending(), 1)
    assert.isEmpty(answers, "somebody was told before it was in force")
    await eventually(
      () => {
        ask(key)
        ask({})
        return new Set(answers.map(([status]) => status))
      },
      (statuses) => statuses.has(200) && statuses.has(404),
      { everyMs: 1_000, limitMs: 200_000, what: "answers to repetitions with the key and without" }
    )
    assert.deepStrictEqual(
      answers.map(([, left]) => left),
      answers.map(() => 0)
    )
  } finally {
    two.kill("SIGCONT")
  }
  const failures = (await Promise.all(asked)).filter((failure) => failure !== undefined)
  assert.isEmpty(failures)
})
