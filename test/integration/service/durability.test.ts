// Verifies R-DUR-1, R-DUR-2.
/**
 * P2: an acknowledged change is never lost and an unacknowledged one is all or nothing; a stop under
 * load loses no answer to a request that was accepted.
 */
import { createConnection } from "mariadb"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "dur"
let database: FreshDatabase
let client: Client
let service: Service

const start = (keyFile?: string) =>
  startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    ...(keyFile === undefined ? {} : { keyFile })
  })

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await start()
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  await client.ask("demo", "application.register", { appName: "app" })
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
})

describe("SIGKILL in the middle of provisioning", () => {
  it("every acknowledged token is there afterwards, and no half of one", async () => {
    const acknowledged: Array<{ readonly tokenId: string; readonly token: string }> = []
    let asking = true
    const callers = Array.from({ length: 16 }, async (_, n) => {
      for (let i = 0; asking; i++) {
        const answer = await client
          .ask("demo", "token.provision", { appName: "app", endpointId: `kill-${n}-${i}` })
          .catch(() => undefined)
        if (answer?.status === 201) acknowledged.push(answer.body)
      }
    })
    await eventually(
      () => acknowledged.length,
      (count) => count >= 200,
      { limitMs: 30_000, what: "200 acknowledged tokens" }
    )
    service.kill("SIGKILL")
    await service.exited
    asking = false
    await Promise.all(callers)

    const connection = await createConnection(database.url)
    const rows: ReadonlyArray<{ tokens: bigint; audited: bigint }> = await connection.query(
      `SELECT (SELECT COUNT(*) FROM tokens) AS tokens,
              (SELECT COUNT(*) FROM audit WHERE action = 'token.provisioned') AS audited`
    )
    await connection.end()
    assert.strictEqual(rows[0]?.tokens, rows[0]?.audited, "a token without its audit row, or the other way round")

    service = await start(service.keyFile)
    for (let at = 0; at < acknowledged.length; at += 500) {
      const items = acknowledged.slice(at, at + 500).map(({ token }) => ({ appName: "app", token }))
      const { body } = await client.ask("demo", "token.validate-batch", { items })
      const statuses = new Set(body.results.map((item: { statusCode: number }) => item.statusCode))
      assert.deepStrictEqual([...statuses], [200])
    }
  })
})

describe("SIGTERM under load", () => {
  it("answers everything it accepted, refuses nothing silently, and ends with 0", async () => {
    let stopped = false
    const outcomes = { answered: 0, noResponders: 0, other: [] as Array<string> }
    const callers = Array.from({ length: 24 }, async (_, n) => {
      for (let i = 0; !stopped; i++) {
        const request =
          i % 2 === 0
            ? client.ask("demo", "token.provision", { appName: "app", endpointId: `stop-${n}-${i}` })
            : client.validate("app", "unknown")
        await request.then(
          () => {
            outcomes.answered++
          },
          (error: Error) => {
            if (/no responders/iu.test(error.message)) outcomes.noResponders++
            else outcomes.other.push(error.message)
            stopped = true
          }
        )
      }
    })
    await eventually(
      () => outcomes.answered,
      (count) => count >= 200,
      { limitMs: 30_000, what: "200 answers" }
    )
    const exit = await service.stop()
    stopped = true
    await Promise.all(callers)
    assert.strictEqual(exit, 0)
    assert.deepStrictEqual(outcomes.other, [])
    service = await start(service.keyFile)
  })
})
