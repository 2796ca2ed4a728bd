// Verifies R-TOK-12.
/** A whole population of tokens is revoked by two replicas on real servers, one of which dies of it. */
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "revokeall"
let database: FreshDatabase
let replicas: ReadonlyArray<Service>
let client: Client
let sql: Connection
const revoked: Array<string> = []
const started: Array<Service> = []

interface Made {
  readonly createdBy: string
  readonly tokenId: string
  readonly token: string
}
const env = { CM_SWEEP_PIECE_MAX: "10", CM_SWEEP_CLAIM_TTL: "1 second", CM_SWEEP_INTERVAL: "200 millis" }

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  sql = await connectSql(database.url)
  const options = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, env }
  const one = await startService({ ...options, replica: "one" })
  const two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  replicas = [one, two]
  started.push(one, two)
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  client.nc.subscribe(`${instance}.events.v1.demo.token.revoked`, {
    callback: (_error, msg) => void revoked.push((msg.json() as { tokenId: string }).tokenId)
  })
  await client.nc.flush()
  for (const appName of ["meters", "valves"]) {
    assert.strictEqual((await client.ask("demo", "application.register", { appName })).status, 201)
  }
})
afterAll(async () => {
  await client?.close()
  await sql?.end()
  await Promise.all(started.map((service) => service.stop()))
  await database?.drop()
})

const provision = async (appName: string, count: number, endpoint: string): Promise<ReadonlyArray<Made>> => {
  const items = Array.from({ length: count }, (_, n) => ({ endpointId: `${endpoint}-${n}` }))
  return (await client.ask("demo", "token.provision-batch", { appName, items })).body.results as ReadonlyArray<Made>
}
const revokeAll = (body: object, headers: Record<string, string> = {}) =>
  client.ask("demo", "token.revoke-all", body, headers)
const statusOf = async (operationId: unknown) =>
  (await client.ask("demo", "token.revoke-all-status", { operationId })).body as {
    readonly state: string
    readonly matched: number
    readonly atLeast?: true
    readonly done: number
  }
const finished = (operationId: unknown) =>
  eventually(
    () => statusOf(operationId),
    ({ state }) => state === "done",
    { limitMs: 120_000, what: "the population to be revoked" }
  )
const verdicts = async (appName: string, tokens: ReadonlyArray<Made>) => {
  const items = tokens.map(({ token }) => ({ appName, token }))
  const { body } = await client.ask("demo", "token.validate-batch", { items })
  return Array.from(
    new Set((body.results as ReadonlyArray<{ statusCode: number }>).map(({ statusCode }) => statusCode))
  )
}

/** So many; of a machine on which counting takes longer than three seconds, the answer is how many there are at least. */
const assertMatched = ({ atLeast, matched }: { readonly matched: number; readonly atLeast?: true }, count: number) =>
  atLeast === true ? assert.isAtMost(matched, count) : assert.strictEqual(matched, count)

describe("token.revoke-all", () => {
  it("wants to know of what, and takes no application that is not there", async () => {
    for (const body of [{}, { dryRun: true }, { applications: [] }, { endpointIds: [] }, { reason: "r" }]) {
      const answer = await revokeAll(body)
      assert.deepStrictEqual([answer.status, answer.code], [400, "INVALID_REQUEST"], JSON.stringify(body))
    }
    const unknown = await revokeAll({ applications: ["meters", "nobodys"] })
    assert.deepStrictEqual([unknown.status, unknown.code], [404, "APPLICATION_NOT_FOUND"])
    const never = await client.ask("demo", "token.revoke-all-status", { operationId: "x" })
    assert.deepStrictEqual([never.status, never.code], [404, "REVOKE_ALL_NOT_FOUND"])
  })

  it("counts only, in a dry run", async () => {
    const tokens = await provision("meters", 7, "dry")
    const answer = await revokeAll({ endpointIds: ["dry-1", "dry-2", "dry-none"], dryRun: true })
    assert.strictEqual(answer.status, 200)
    assertMatched(answer.body, 2)
    assert.notProperty(answer.body, "operationId")
    assert.deepStrictEqual((await revokeAll({ endpointIds: ["dry-1"], applications: ["valves"], dryRun: true })).body, {
      matched: 0
    })
    assert.deepStrictEqual(await verdicts("meters", tokens), [200])
  })

  it("takes what holds all together, says so when it is in force, and does it once for a key", async () => {
    const before = await provision("meters", 30, "mix")
    const others = await provision("valves", 5, "mix")
    const cut = new Date(Date.now() + 1).toISOString()
    await eventually(
      () => Date.now() > Date.parse(cut) + 1,
      (past) => past,
      { what: "the time to pass" }
    )
    const after = await provision("meters", 5, "late")
    const body = { applications: ["meters"], endpointIds: before.map((_, n) => `mix-${n}`), createdBefore: cut }
    const [one, again] = [
      await revokeAll(body, { "Idempotency-Key": "once" }),
      await revokeAll(body, { "Idempotency-Key": "once" })
    ]
    assertMatched(one.body, 30)
    assert.deepStrictEqual(again.body, one.body)
    const status = await finished(one.body.operationId)
    assertMatched(status, 30)
    assert.strictEqual(status.done, 30)
    assert.deepStrictEqual(await verdicts("meters", before), [410])
    assert.deepStrictEqual(await verdicts("meters", after), [200])
    assert.deepStrictEqual(await verdicts("valves", others), [200])
    const record = (await client.ask("demo", "token.get", { tokenId: before[0]!.tokenId })).body
    assert.deepStrictEqual([record.status, record.version], ["Revoked", 2])
    await eventually(
      () => before.every(({ tokenId }) => revoked.includes(tokenId)),
      (all) => all,
      { what: "an event for each token" }
    )
    const audit = (await client.ask("demo", "audit.list", { entityId: one.body.operationId })).body
    assert.deepStrictEqual(
      (audit.content as ReadonlyArray<{ action: string }>).map(({ action }) => action).toSorted(),
      ["token.revoke_all", "token.revoke_all_done"]
    )
  })

  it("takes what was not used since, and leaves what was", async () => {
    const tokens = await provision("valves", 4, "used")
    assert.strictEqual((await client.validate("valves", tokens[0]!.token)).statusCode, 200)
    const used = await eventually(
      async () => (await client.ask("demo", "token.get", { tokenId: tokens[0]!.tokenId })).body.lastUsedDate,
      (date) => date !== undefined,
      { limitMs: 120_000, what: "the use to be written" }
    )
    const body = { endpointIds: tokens.map((_, n) => `used-${n}`), unusedSince: used }
    const answer = await revokeAll(body)
    assertMatched(answer.body, 3)
    await finished(answer.body.operationId)
    assert.deepStrictEqual(await verdicts("valves", tokens.slice(0, 1)), [200])
    assert.deepStrictEqual(await verdicts("valves", tokens.slice(1)), [410])
  })

  it("goes on where a replica died in the middle of it, and does nothing twice", { timeout: 300_000 }, async () => {
    const tokens = await provision("meters", 800, "many")
    // Held from outside, the last of them cannot be done: the replica dies in the middle, however late we look.
    const locker = await connectSql(database.url)
    await locker.beginTransaction()
    const last = Buffer.from(tokens.at(-1)!.tokenId.replaceAll("-", ""), "hex")
    assert.lengthOf(await locker.query("SELECT token_id FROM tokens WHERE token_id = ? FOR UPDATE", [last]), 1)
    const answer = await revokeAll({ createdBy: tokens[0]!.createdBy, applications: ["meters"], reason: "leaked" })
    if (answer.body.atLeast !== true) assert.isAtLeast(answer.body.matched as number, tokens.length)
    const middle = await eventually(
      () => statusOf(answer.body.operationId),
      ({ done }) => done > 0,
      { what: "the work to begin" }
    )
    assert.strictEqual(middle.state, "running")
    const [holder] = await sql.query("SELECT replica_id FROM sweep_claims WHERE sweep = 'token-revoke-all'")
    const dying = replicas.find((_, n) => String(holder?.replica_id).startsWith(n === 0 ? "one" : "two"))
    assert.isDefined(dying, `${holder?.replica_id} is none of ours`)
    dying.kill("SIGKILL")
    await dying.exited
    assert.strictEqual((await statusOf(answer.body.operationId)).state, "running")
    await locker.rollback()
    await locker.end()
    const status = await finished(answer.body.operationId)
    assert.strictEqual(status.matched, answer.body.matched)
    assert.isAtLeast(status.done, tokens.length)
    assertMatched(status, status.done)
    for (let n = 0; n < tokens.length; n += 500) {
      assert.deepStrictEqual(await verdicts("meters", tokens.slice(n, n + 500)), [410])
    }
    const ids = new Set(tokens.map(({ tokenId }) => tokenId))
    await eventually(
      () => new Set(revoked.filter((tokenId) => ids.has(tokenId))).size,
      (count) => count === tokens.length,
      { limitMs: 120_000, what: "an event for each token" }
    )
    const [versions] = await sql.query(
      "SELECT COUNT(*) AS n FROM tokens WHERE app_name = 'meters' AND endpoint_id LIKE 'many%' AND version <> 2"
    )
    assert.strictEqual(Number(versions?.n), 0)
    const [rows] = await sql.query(
      "SELECT COUNT(*) AS n, COUNT(DISTINCT entity_id) AS d FROM audit WHERE action = 'token.revoked' AND tenant_id = 'demo'"
    )
    assert.strictEqual(Number(rows?.n), Number(rows?.d))
  })
})
