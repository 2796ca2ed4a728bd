// Verifies R-REF-22.
/**
 * A replica claims a grant and cannot begin: MariaDB does not answer its last look. Claims last for minutes
 * here, so whoever refreshes all the same was given the claim back.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"
import { type HostileProvider, startProvider } from "../../support/standIns/provider.ts"
import { type Passing, type StatementGate, statementGate } from "../../support/statementGate.ts"

const instance = "rfg"
let database: FreshDatabase
let gate: StatementGate
let client: Client
let provider: HostileProvider
let service: Service
let options: Omit<Parameters<typeof startService>[0], "databaseUrl">

const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const url = new URL(database.url)
  gate = await statementGate({ host: url.hostname, port: Number(url.port) })
  const gated = Object.assign(new URL(database.url), { port: String(gate.port) }).href
  provider = await startProvider({ refreshTokens: "rotate", reuse: "revoke_family", graceMs: 0, lifeSeconds: 3_600 })
  options = {
    natsUrl: inject("natsUrl"),
    instance,
    env: {
      CM_DB_TIMEOUT: "3 seconds",
      CM_REFRESH_CLAIM: "5 minutes",
      CM_REFRESH_DOUBT: "10 minutes",
      CM_PROVIDER_HOSTS_ALLOWED: provider.host
    }
  }
  service = await startService({ ...options, databaseUrl: gated })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 25_000 })
  const put = await ask("provider.put", {
    name: "rotating",
    token_url: provider.tokenUrl,
    client_auth: "post",
    client_id: provider.client.id,
    client_secrets: [provider.client.secret],
    refresh_tokens: "rotate",
    reuse: "revoke_family",
    rate_per_minute: 1_000
  })
  assert.strictEqual(put.status, 201, JSON.stringify(put.body))
}, 120_000)
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await gate?.close()
  await provider?.stop()
  await database?.drop()
})

let stored = 0
const store = async () => {
  const { credentials, family } = provider.connect()
  const answer = await ask("credential.store", {
    service_name: `svc${++stored}`,
    type: "oauth",
    credentials,
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    allowed_consumers: ["mail"],
    rotation: { provider: "rotating" }
  })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return { id: answer.body.credential_id as string, family }
}

/** The first look at a credential's versions behind the writing of a claim. */
const lastLook = () => {
  let isClaimed = false
  return ({ text }: Passing): boolean => {
    isClaimed ||= text.startsWith("UPDATE credentials") && text.includes('"claim":{')
    return isClaimed && text.startsWith("SELECT") && text.includes("ORDER BY version")
  }
}

/** A refresh that is claimed and does not begin. */
const hinder = async (id: string) => {
  const isStopped = gate.stopAt(lastLook(), "before")
  const answer = await ask("credential.rotate", { credential_id: id })
  await isStopped
  assert.strictEqual(answer.status, 503, JSON.stringify(answer.body))
}

describe("a claim whose exchange could not begin", () => {
  it("is given back, and the next request has the grant at once", async () => {
    const { family, id } = await store()
    await hinder(id)
    const answer = await ask("credential.rotate", { credential_id: id })
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    const { credentials } = (await ask("credential.get.mail", { credential_id: id })).body
    assert.isTrue(provider.isLive(family, credentials.refresh_token))
  }, 120_000)

  it("is given back, and another replica has the grant at once", async () => {
    const { family, id } = await store()
    await hinder(id)
    const { keyFile } = service
    await service.stop()
    service = await startService({ ...options, keyFile, replica: "two", databaseUrl: database.url })
    const answer = await ask("credential.rotate", { credential_id: id })
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    const { credentials } = (await ask("credential.get.mail", { credential_id: id })).body
    assert.isTrue(provider.isLive(family, credentials.refresh_token))
  }, 120_000)
})
