// Verifies R-RUN-17.
/**
 * This release beside one of a later schema: it serves while that one migrates, and after; it does not start again, and
 * says why; and it comes back where an operator goes back.
 *
 * The later one is a copy of this source with steps more, of tables that every request needs.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, expect, inject, it, vi } from "vitest"
import { copySource } from "../../chaos/sourceCopy.ts"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { temporaryFolder } from "../../support/servers.ts"
import { type Service, type ServiceOptions, startService } from "../../support/service.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const instance = "later"
const folder = temporaryFolder()
const keyFile = join(folder.path, "keys.json")
const later = copySource()
const steps = {
  "9001_tokens_later": "ALTER TABLE tokens ADD COLUMN IF NOT EXISTS later BIGINT NOT NULL DEFAULT 7",
  "9002_credentials_later":
    "ALTER TABLE credentials ADD COLUMN IF NOT EXISTS later BIGINT AS (version + 1) STORED, ADD KEY IF NOT EXISTS ix_later (later)",
  "9003_later": "CREATE TABLE IF NOT EXISTS later (id BIGINT NOT NULL, PRIMARY KEY (id))"
}
let database: FreshDatabase
let sql: Connection
let client: Client
const services: Array<Service> = []
const start = async (replica: string, options: Partial<ServiceOptions> = {}): Promise<Service> => {
  const urls = { natsUrl: inject("natsUrl"), databaseUrl: database.url }
  const service = await startService({ ...urls, instance, replica, keyFile, ...options })
  services.push(service)
  return service
}
beforeAll(async () => {
  for (const [name, text] of Object.entries(steps)) {
    writeFileSync(join(later.path, "src/store/maria/migrations", `${name}.sql`), text)
  }
  database = await freshDatabase(inject("databaseUrl"))
  sql = await connectSql(database.url)
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  for (const service of services) service.kill()
  await client?.close()
  await sql?.end()
  await database?.drop()
  later.remove()
  folder.remove()
})

let tokens = 0
const asked = async (operation: string, body: unknown, status: number) => {
  const answer = await client.ask("demo", operation, body)
  assert.strictEqual(answer.status, status, JSON.stringify(answer.body))
  return answer.body
}
/** Enough that each replica is asked. */
const codes = async (token: string): Promise<ReadonlyArray<number>> => {
  const answers = await Promise.all(Array.from({ length: 24 }, () => client.validate("app", token)))
  return Array.from(new Set(answers.map(({ statusCode }) => statusCode)))
}
/** Tokens and a secret, made, read and taken away, by whoever is there. */
const serves = async (): Promise<void> => {
  const value = `token${++tokens}`
  const { tokenId } = await asked("token.provision", { appName: "app", endpointId: value, token: value }, 201)
  assert.deepStrictEqual(await codes(value), [200])
  await asked("token.suspend", { tokenId }, 200)
  assert.deepStrictEqual(await codes(value), [403])
  await asked("token.activate", { tokenId }, 200)
  assert.deepStrictEqual(await codes(value), [200])
  await asked("token.revoke", { tokenId }, 200)
  assert.deepStrictEqual(await codes(value), [410])
  const secret = { service_name: value, type: "api_key", credentials: { api_key: value }, allowed_consumers: ["mail"] }
  const { credential_id } = await asked("credential.store", secret, 201)
  const got = await client.ask("demo", "credential.get.mail", { service_name: value })
  assert.strictEqual(got.body.credentials?.api_key, value, JSON.stringify(got.body))
  await asked("credential.rotate", { credential_id, credentials: { api_key: `${value}-new` } }, 200)
  await asked("credential.revoke", { credential_id }, 200)
  assert.strictEqual((await asked("audit.verify", {}, 200)).valid, true)
}
const announced = () =>
  eventually(
    async () => Number((await sql.query("SELECT COUNT(*) AS n FROM outbox"))[0].n),
    (left) => left === 0,
    { what: "every event having left" }
  )

it("serves beside a release that brings the schema forward, is refused when it starts again, and comes back", async () => {
  const first = await start("first")
  await asked("application.register", { appName: "app" }, 201)
  await serves()

  const newer = await start("newer", { cwd: later.path })
  const named = "9001 (tokens_later), 9002 (credentials_later), 9003 (later)"
  assert.include(newer.output(), `schema steps done: ${named}; replicas of the release before go on`)
  await serves()
  await newer.stop()
  // The one of before, alone on the schema that it does not know.
  await serves()
  await announced()
  const again = await start("newer", { cwd: later.path })
  assert.notInclude(again.output(), "schema steps done")
  assert.strictEqual(await first.stop(), 0)
  await serves()

  const refused = await start("first", { unready: true })
  assert.strictEqual(await refused.exited, 1)
  assert.include(refused.output(), `the database has the schema steps ${named}, which this program does not know`)
  await serves()

  await sql.query("DELETE FROM schema_migrations WHERE number IN (9001, 9002, 9003)")
  const back = await start("first")
  await serves()
  await again.stop()
  await serves()
  await announced()
  expect(back.output()).not.toMatch(/"level":"(?:error|fatal)"/u)
})
