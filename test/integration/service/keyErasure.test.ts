/**
 * Crypto-erasure: what was sealed for a tenant that was removed is opened by nobody after its retention, not even
 * with its rows from a backup, and the audit of `global` says which keys were destroyed, and when.
 *
 * Verifies: R-SEC-45.
 */
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

type Sql = Awaited<ReturnType<typeof connectSql>>

const instance = "erasure"
let database: FreshDatabase
let service: Service
let client: Client
let sql: Sql

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const env = { CM_TENANT_RETENTION: "20 seconds" }
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, env })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  sql = await connectSql(database.url)
})
afterAll(async () => {
  await sql?.end()
  await client?.close()
  await service?.stop()
  await database?.drop()
})

const store = async (tenantId: string, password: string) => {
  const body = {
    service_name: "mail",
    type: "basic",
    credentials: { username: "u", password },
    allowed_consumers: ["mail"]
  }
  const answer = await client.ask(tenantId, "credential.store", body)
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return String(answer.body.credential_id)
}
const get = (tenantId: string, id: string) => client.ask(tenantId, "credential.get.mail", { credential_id: id })
const keysOf = (tenantId: string): Promise<ReadonlyArray<{ id: string; state: string; bytes: number }>> =>
  sql.query(
    `SELECT LOWER(HEX(key_id)) AS id, state, LENGTH(wrapped) AS bytes FROM data_keys WHERE tenant_id = ?
      ORDER BY created_at, key_id`,
    [tenantId]
  )
const remove = async (tenantId: string) => {
  assert.strictEqual((await client.admin("tenants.remove", { tenantId })).status, 200)
  const rows = async () => (await sql.query("SELECT 1 FROM tenants WHERE tenant_id = ?", [tenantId])).length as number
  await eventually(rows, (count) => count === 0, { what: "the name is free" })
}
const dashed = (id: string) => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/u, "$1-$2-$3-$4-$5")
const insert = (table: string, { active_slot: _a, slot: _s, ...row }: Record<string, unknown>) =>
  sql.query(
    `INSERT INTO ${table} (${Object.keys(row).join(", ")}) VALUES (${Object.keys(row)
      .map(() => "?")
      .join(", ")})`,
    Object.values(row)
  )

it("a removed tenant's data keys are destroyed after its retention, and the audit of global proves it", async () => {
  for (const tenantId of ["leaver", "keeper", "stayer"]) {
    const retention = tenantId === "keeper" ? { retention: "P1D" } : {}
    assert.strictEqual((await client.admin("tenants.create", { tenantId })).status, 201)
    if ("retention" in retention) {
      assert.strictEqual((await client.admin("tenants.configure", { tenantId, ...retention })).status, 200)
    }
  }
  const ids = {
    leaver: await store("leaver", "one"),
    keeper: await store("keeper", "k"),
    stayer: await store("stayer", "s")
  }
  const columns = await sql.query(
    `SELECT column_name AS name, table_name AS tab FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name IN ('credentials', 'credential_versions') AND generation_expression IS NULL`
  )
  const backupOf = async (table: string) => {
    const names = columns.filter((one: { tab: string }) => one.tab === table).map((one: { name: string }) => one.name)
    return (await sql.query(`SELECT ${names.join(", ")} FROM ${table} WHERE tenant_id = 'leaver'`))[0]
  }
  const backup = [
    ["credentials", await backupOf("credentials")],
    ["credential_versions", await backupOf("credential_versions")]
  ] as const
  // The one whose retention is short comes last: what is looked at then is looked at within it.
  await remove("keeper")
  await remove("leaver")
  // Who was moving rows just then may have made another one: it ends with the first.
  const old = await keysOf("leaver")
  assert.isAtLeast(old.length, 1)
  for (const { bytes, state } of old) {
    assert.deepStrictEqual([state, bytes > 0], ["retiring", true], "kept for its retention, and written with no more")
  }

  // Who gets the name has a key of its own. A backup of the old tenant's rows opens as long as its key is there.
  assert.strictEqual((await client.admin("tenants.create", { tenantId: "leaver" })).status, 201)
  const next = await store("leaver", "two")
  await eventually(
    () => keysOf("leaver"),
    (keys) => keys.length > old.length,
    { what: "a key of its own" }
  )

  const olds = async () => (await keysOf("leaver")).filter(({ id }) => old.some((one) => one.id === id))
  const destroyed = await eventually(olds, (keys) => keys.every(({ bytes }) => bytes === 0), {
    what: "the keys are destroyed",
    limitMs: 120_000
  })
  assert.deepStrictEqual(
    destroyed.map(({ state }) => state),
    old.map(() => "retired")
  )
  assert.strictEqual((await get("leaver", next)).body.credentials?.password, "two")
  assert.strictEqual((await get("stayer", ids.stayer)).body.credentials?.password, "s")
  assert.isAbove((await keysOf("keeper"))[0]!.bytes, 0, "its own retention is not over")

  const { body } = await client.ask("global", "audit.list", { entityId: "leaver", limit: 100 })
  const rows = body.content.filter(({ action }: { action: string }) => action === "keys.destroyed")
  assert.deepStrictEqual(
    rows.flatMap(({ diff }: { diff: { keyIds: ReadonlyArray<string> } }) => diff.keyIds).toSorted(),
    old.map(({ id }) => dashed(id)).toSorted()
  )
  assert.deepStrictEqual(rows[0].diff.retentionMs, [20_000])
  assert.isAtLeast(rows[0].diff.destroyedAt - rows[0].diff.removedAt[0], 20_000)
  assert.strictEqual(rows[0].actor, "sweep")
  assert.isTrue((await client.ask("global", "audit.verify", {})).body.valid)

  // The rows of a backup, byte for byte: they hold, and open nothing.
  await sql.query("DELETE FROM credential_versions WHERE tenant_id = 'leaver'")
  await sql.query("DELETE FROM credentials WHERE tenant_id = 'leaver'")
  for (const [table, row] of backup) await insert(table, row)
  for (let time = 0; time < 2; time++) {
    const answer = await get("leaver", ids.leaver)
    assert.notStrictEqual(answer.status, 200)
    assert.notInclude(JSON.stringify(answer.body), 'one"')
    // Its row is as the service wrote it; it is the key that is missing.
    const text = String((await client.admin("metrics")).body)
    assert.match(text, /^credential_unopenable_total(\{[^}]*\})? [1-9]/mu)
    assert.notMatch(text, /^cm_rows_changed_total\{[^}]*\} [1-9]/mu)
    // With nothing of it in memory either.
    if (time > 0) continue
    const { keyFile } = service
    await service.stop()
    service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, keyFile })
  }
  for (const { bytes } of await olds()) assert.strictEqual(bytes, 0)
  assert.strictEqual((await get("stayer", ids.stayer)).status, 200)
})
