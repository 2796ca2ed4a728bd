// Verifies R-SEC-12.
/** The seal of replicas is replaced by hand, as docs/keys.md says: what was sealed by the one before counts no more. */
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, inject, it, vi } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const instance = "resealed"
let database: FreshDatabase
let raw: Connection
let client: Client
let service: Service | undefined

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  raw = await connectSql(database.url)
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  service?.kill()
  await client?.close()
  await raw?.end()
  await database?.drop()
})

const sealIds = async (): Promise<ReadonlyArray<string>> => {
  const rows: ReadonlyArray<{ readonly id: string }> = await raw.query(
    "SELECT HEX(key_id) AS id FROM data_keys WHERE purpose = 'replica-seal'"
  )
  return rows.map(({ id }) => id)
}

it("deleted while no replica runs, it is made anew, and a revocation is in force though one of before died with its lease", async () => {
  const options = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance }
  service = await startService(options)
  const { keyFile } = service
  assert.strictEqual((await client.ask("demo", "application.register", { appName: "app" })).status, 201)
  const token = { appName: "app", endpointId: "e", token: "value-1234" }
  const provisioned = await client.ask("demo", "token.provision", token)
  assert.strictEqual(provisioned.status, 201)
  const before = await sealIds()
  assert.lengthOf(before, 1)
  // Its lease stays in the bucket, sealed by the key that goes.
  service.kill()
  await service.exited
  await raw.query("DELETE FROM data_keys WHERE purpose = 'replica-seal'")

  service = await startService({ ...options, keyFile })
  const after = await sealIds()
  assert.lengthOf(after, 1)
  assert.notDeepEqual(after, before)
  assert.strictEqual((await client.validate("app", token.token)).statusCode, 200)
  const revoked = await client.ask("demo", "token.revoke", { tokenId: provisioned.body.tokenId })
  assert.strictEqual(revoked.status, 200, JSON.stringify(revoked.body))
  assert.strictEqual((await client.validate("app", token.token)).statusCode, 410)
  assert.strictEqual(await service.stop(), 0)
})
