// Verifies R-SEC-30.
/** A number that no row of ours has, written by somebody who can write to the database, stops the work on no other row. */
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, inject, it, vi } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const instance = "unreadable"
const beyond = "9007199254740993"
let database: FreshDatabase
let raw: Connection
let client: Client
let service: Service

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  raw = await connectSql(database.url)
  service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: { CM_CREDENTIAL_SWEEP_EVERY: "1 second" }
  })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await raw?.end()
  await database?.drop()
})

const must = async (tenant: string, operation: string, body: object) => {
  const answer = await client.ask(tenant, operation, body)
  assert.isBelow(answer.status, 300, `${operation}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const hex = (id: string): string => id.replaceAll("-", "")
const set = (table: string, idColumn: string, id: string, change: string) =>
  raw.query(`UPDATE ${table} SET ${change} WHERE ${idColumn} = UNHEX('${hex(id)}')`)
const ids = async (sql: string): Promise<ReadonlyArray<string>> => {
  const rows: ReadonlyArray<{ readonly id: string }> = await raw.query(sql)
  return rows.map(({ id }) => id.toLowerCase())
}

it("tokens and credentials whose end has come are ended, but for the one that cannot be read, which is told by its id", async () => {
  const broken: Array<string> = []
  const [clock]: ReadonlyArray<{ readonly now: bigint }> = await raw.query(
    "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now"
  )
  const end = new Date(Number(clock!.now) + 10_000).toISOString()
  for (const tenant of ["demo", "other"]) {
    if (tenant === "other") {
      assert.strictEqual((await client.admin("tenants.create", { tenantId: tenant })).status, 201)
    }
    const appName = `app-${tenant}`
    await must(tenant, "application.register", { appName })
    for (let n = 0; n < 4; n++) {
      const token = await must(tenant, "token.provision", { appName, endpointId: `e${n}`, expiresDate: end })
      const secret = { service_name: `s${n}`, type: "api_key", credentials: { api_key: "k" }, expires_at: end }
      const stored = await must(tenant, "credential.store", secret)
      if (tenant !== "demo" || n !== 1) continue
      broken.push(hex(token.tokenId), hex(stored.credential_id))
      // It has ended first of all.
      await set("tokens", "token_id", token.tokenId, `expires_at = 1, created_at = ${beyond}`)
      const refresh = `refresh_due_at = 1, refresh_urgency = ${beyond}, noticed_ms = ${beyond}`
      await set(
        "credentials",
        "credential_id",
        stored.credential_id,
        `expires_at = 1, created_at = ${beyond}, ${refresh}`
      )
    }
  }
  const due = async () => [
    ...(await ids("SELECT HEX(token_id) AS id FROM tokens WHERE due_at IS NOT NULL")),
    ...(await ids("SELECT HEX(credential_id) AS id FROM credentials WHERE due_at IS NOT NULL"))
  ]
  const left = await eventually(due, (some) => some.length <= 2, {
    limitMs: 120_000,
    what: "the end of all that can be read"
  })
  assert.deepStrictEqual(left, broken)
  // Of a token of the sweep of tokens, of a credential of that of credentials.
  const told = service
    .output()
    .split("\n")
    .filter((line) => line.includes("the others go on"))
  for (const id of broken)
    assert.isTrue(
      told.some((line) => line.replaceAll("-", "").includes(id)),
      id
    )
  const metrics = String((await client.admin("metrics")).body)
  for (const sweep of ["token-expiry", "credential-expiry"]) {
    assert.match(metrics, new RegExp(`cm_sweep_rows_aside_total\\{[^}]*sweep="${sweep}"[^}]*\\} [1-9]`, "u"))
  }
  // Whoever looks for what is due to be refreshed, or told, goes on as well.
  assert.notInclude(service.output(), "a defect in background work")
})

it("sessions of applications that went out of service are ended for the other tenants", async () => {
  await raw.query("INSERT INTO tenant_counters (tenant_id, revocation_seq) VALUES ('spoiled', 18446744073709551615)")
  await raw.query("INSERT INTO tenants (tenant_id, created_at) VALUES ('spoiled', 1)")
  // More than one look reads.
  const spoiled = Array.from({ length: 120 }, (_, n) => `a${String(n).padStart(3, "0")}`)
  for (const [appName, tenant] of [...spoiled.map((name) => [name, "spoiled"]), ["b", "demo"]]) {
    await raw.query("INSERT INTO application_withdrawals VALUES (?, ?, REPEAT('x', 16), 1)", [appName, tenant])
  }
  const left = () => ids("SELECT app_name AS id FROM application_withdrawals")
  await eventually(left, (some) => !some.includes("b"), { limitMs: 60_000, what: "the other tenant's being told" })
  assert.deepStrictEqual((await left()).toSorted(), spoiled)
  for (const table of ["application_withdrawals", "tenants", "tenant_counters"]) {
    await raw.query(`DELETE FROM ${table} WHERE tenant_id = 'spoiled'`)
  }
})

it("a start meets rows that say what cannot be: it serves, and nothing is done as they say", async () => {
  await raw.query("INSERT INTO tenants (tenant_id, created_at, limits) VALUES ('planted', 1, '{')")
  const settings = `INSERT INTO platform_settings (kind, name, tenant_id, settings, since, read_at, changed_at)
    VALUES ('application', ?, 'demo', ?, 1, 1, 1)`
  await raw.query(settings, ["planted", "{"])
  // A token of so many characters would keep the process from everything else for minutes.
  const tooLong = { length: 200_000_000, alphabet: null, defaultLifetimeMs: null }
  await raw.query(settings, ["app-demo", JSON.stringify(tooLong)])
  const { keyFile } = service
  await service.stop()
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, keyFile })
  const { token } = await must("demo", "token.provision", { appName: "app-demo", endpointId: "after" })
  assert.strictEqual(token.length, 10)
  assert.include(service.output(), "the row of an application's settings was changed outside of the service")
})
