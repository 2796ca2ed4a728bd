// Verifies R-DUR-1, R-DUR-2.
/**
 * P2: an acknowledged change is never lost and an unacknowledged one is all or nothing; a stop under
 * load loses no answer to a request that was accepted.
 */
import { jetstreamManager } from "@nats-io/jetstream"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { answerOrEnd, type Service, startService } from "../../support/service.ts"
import { statementGate } from "../../support/statementGate.ts"

const instance = "dur"
let database: FreshDatabase
let client: Client
let service: Service

const start = (keyFile?: string, databaseUrl = database.url) =>
  startService({
    natsUrl: inject("natsUrl"),
    databaseUrl,
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

/** The tokens whose provisioning is announced in a stream; twice is an error. */
const provisionedIn = async (stream: string): Promise<ReadonlyArray<string>> => {
  const manager = await jetstreamManager(client.nc, { timeout: 60_000 })
  const { state } = await manager.streams.info(stream)
  const found: Array<string> = []
  for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(stream, { seq })
    if (message?.subject.endsWith(".token.provisioned")) found.push(message.json<{ tokenId: string }>().tokenId)
  }
  assert.strictEqual(new Set(found).size, found.length, "announced twice")
  return found.map((tokenId) => tokenId.replaceAll("-", ""))
}

/** Each token with its own row of the audit and its own event, and none of these without it. */
const wholeTokens = async (): Promise<ReadonlyArray<string>> => {
  const connection = await connectSql(database.url)
  // What a killed service had sent is done or undone by then.
  await eventually(
    () =>
      connection.query(`SELECT t.trx_id FROM information_schema.INNODB_TRX t
        JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
        WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID()`),
    ({ length }) => length === 0,
    // The server makes this table anew only when nobody has looked for 100 ms.
    { everyMs: 250, what: "the end of what it had sent" }
  )
  const idsOf = async (sql: string): Promise<ReadonlyArray<string>> =>
    (await connection.query(sql)).map((row: { id: string }) => row.id.replaceAll("-", "").toLowerCase())
  const tokens = await idsOf("SELECT HEX(token_id) AS id FROM tokens")
  const audited = await idsOf("SELECT entity_id AS id FROM audit WHERE action = 'token.provisioned'")
  const waiting = await idsOf(
    `SELECT SUBSTRING(entity_key, 7) AS id FROM outbox WHERE entity_key LIKE 'token/%' AND subject LIKE '%.provisioned'`
  )
  await connection.end()
  assert.deepStrictEqual(audited.toSorted(), tokens.toSorted(), "a token without its audit row, or the other way round")
  const published = await provisionedIn(`${instance.toUpperCase()}_EVENTS`)
  assert.deepStrictEqual(
    [...new Set([...published, ...waiting])].toSorted(),
    tokens.toSorted(),
    "a token that is neither announced nor waiting to be, or the other way round"
  )
  return tokens
}

describe("SIGKILL in the middle of provisioning", () => {
  it("every acknowledged token is there afterwards, and no half of one", async () => {
    const acknowledged: Array<{ readonly tokenId: string; readonly token: string }> = []
    let asking = true
    const callers = Array.from({ length: 16 }, async (_, n) => {
      for (let i = 0; asking; i++) {
        // May fail: the service is killed; only what it acknowledged counts.
        const asked = client.ask("demo", "token.provision", { appName: "app", endpointId: `kill-${n}-${i}` })
        const answer = await answerOrEnd(asked, service).catch(() => null)
        if (answer?.status === 201) acknowledged.push(answer.body)
      }
    })
    await eventually(
      () => acknowledged.length,
      (count) => count >= 200,
      { limitMs: 240_000, what: "200 acknowledged tokens" }
    )
    service.kill("SIGKILL")
    await service.exited
    asking = false
    await Promise.all(callers)

    const tokens = await wholeTokens()
    for (const { tokenId } of acknowledged) assert.include(tokens, tokenId.replaceAll("-", ""))

    service = await start(service.keyFile)
    for (let at = 0; at < acknowledged.length; at += 500) {
      const items = acknowledged.slice(at, at + 500).map(({ token }) => ({ appName: "app", token }))
      const { body } = await client.ask("demo", "token.validate-batch", { items })
      const statuses = new Set(body.results.map((item: { statusCode: number }) => item.statusCode))
      assert.deepStrictEqual([...statuses], [200])
    }
  })
})

describe("SIGKILL between two statements of one change", () => {
  it.each(["INSERT INTO outbox", "INSERT INTO audit"])("before %s nothing of it is there", async (statement) => {
    const before = await wholeTokens()
    assert.strictEqual(await service.stop(), 0)
    const { hostname, port } = new URL(database.url)
    const gate = await statementGate({ host: hostname, port: Number(port) })
    service = await start(service.keyFile, Object.assign(new URL(database.url), { port: String(gate.port) }).href)
    const endpointId = `between-${statement.length}`
    let isStopped = false
    // Never fails.
    void gate
      .stopAt(({ text, transaction }) => text.includes(statement) && transaction.includes(endpointId), "before")
      .then(() => {
        isStopped = true
      })
    const asked = answerOrEnd(client.ask("demo", "token.provision", { appName: "app", endpointId }), service)
    await eventually(
      () => isStopped,
      (is) => is,
      { limitMs: 240_000, what: `the change on its way, before ${statement}` }
    )
    service.kill("SIGKILL")
    await service.exited
    // May fail: who asked is told that nobody answers.
    assert.isNull(await asked.catch(() => null))
    await gate.close()
    service = await start(service.keyFile)
    assert.deepStrictEqual((await wholeTokens()).toSorted(), before.toSorted())
  })
})

describe("SIGTERM under load", () => {
  it("answers everything it accepted, refuses nothing silently, and ends with 0", async () => {
    let stopped = false
    let [underWay, underWayAtStop, value] = [0, 0, 0]
    const outcomes = { answered: 0, noResponders: 0, other: [] as Array<string> }
    const callers = Array.from({ length: 24 }, async (_, n) => {
      for (let i = 0; !stopped; i++) {
        underWay++
        // Each value is new: none is answered from the memory of refusals.
        const request =
          i % 2 === 0
            ? client.ask("demo", "token.provision", { appName: "app", endpointId: `stop-${n}-${i}` })
            : client.validate("app", `unknown-${value++}`)
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
        underWay--
      }
    })
    await eventually(
      () => outcomes.answered,
      (count) => count >= 200,
      { limitMs: 120_000, what: "200 answers" }
    )
    underWayAtStop = underWay
    const exit = await service.stop()
    stopped = true
    await Promise.all(callers)
    assert.strictEqual(exit, 0)
    assert.strictEqual(underWayAtStop, callers.length, "as many requests were under way as there were callers")
    assert.deepStrictEqual(outcomes.other, [])
    service = await start(service.keyFile)
  })
})
