/**
 * Somebody writes to the database without the service's keys: what they change is refused, told and counted.
 *
 * Each case is an UPDATE, INSERT or DELETE that such a person would try, on real MariaDB under a running service.
 *
 * Verifies: R-SEC-30.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { claimMsMax } from "../../../src/store/Sweeps.ts"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { everyScope, type OidcIssuer, oidcIssuer } from "../../support/oidcIssuer.ts"
import { type Service, startService } from "../../support/service.ts"

type Sql = Awaited<ReturnType<typeof connectSql>>

const instance = "forged"
const appName = "forgedapp"
let database: FreshDatabase
let service: Service
let client: Client
let sql: Sql

const claimMs = 1_000
/** Nothing is hot, so that each validation reads its row. */
const env = {
  CM_HOT_TOKENS_MAX: "0",
  CM_KV_CACHE: "false",
  CM_CREDENTIAL_SWEEP_EVERY: "1 second",
  CM_SWEEP_CLAIM_TTL: `${claimMs} millis`
}

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, env })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  sql = await connectSql(database.url)
  await ask("application.register", { appName })
})
afterAll(async () => {
  await sql?.end()
  await client?.close()
  await service?.stop()
  await database?.drop()
})

const ask = (operation: string, body: unknown = {}, tenant = "demo") => client.ask(tenant, operation, body)
const metrics = async () => String((await client.admin("metrics")).body)
const refusal = ({ code, status }: Answer) => [status, code]
const internal = [500, "INTERNAL"]
const idOf = (uuid: string): Buffer => Buffer.from(uuid.replaceAll("-", ""), "hex")

let services = 0
const stored = async (over: object = {}, tenant = "demo") => {
  const service_name = `svc${++services}`
  const body = {
    service_name,
    type: "basic",
    credentials: { username: "u", password: "forged-secret" },
    allowed_consumers: ["mail"],
    ...over
  }
  const answer = await ask("credential.store", body, tenant)
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return { id: String(answer.body.credential_id), service_name }
}
const get = (id: string, consumer = "mail", tenant = "demo") =>
  ask(`credential.get.${consumer}`, { credential_id: id }, tenant)

const provisioned = async (endpointId = crypto.randomUUID()) => {
  const { body, status } = await ask("token.provision", { appName, endpointId })
  assert.strictEqual(status, 201)
  return { token: String(body.token), id: String(body.tokenId), endpointId }
}
const validate = async (token: string): Promise<number> => {
  const { body } = await ask("token.validate", { appName, token, dryRun: true })
  return body.statusCode as number
}

describe("a credential", () => {
  const edits: ReadonlyArray<readonly [string, string]> = [
    ["its consumers", `allowed_consumers = '["chat"]'`],
    ["its consumers, everyone added", `allowed_consumers = '["mail","chat"]'`],
    ["its end", "expires_at = 4102444800000"],
    ["its type", "type = 'oauth'"],
    ["its scopes", `scopes = '["all"]'`],
    ["its version", "version = version + 1"],
    ["its owner", "owner_key = 'mallory'"],
    ["its service", "service_name = 'svc-other'"],
    ["its metadata", `metadata = '{"a":1}'`],
    ["who made it", "created_by = 'mallory'"],
    ["its tag", "mac = NULL"],
    ["its tag, by another of that length", "mac = REPEAT('x', 16)"],
    ["its tag, empty", "mac = ''"]
  ]
  it.each(edits)("whose row was changed in %s is not handed out", async (_, edit) => {
    const { id } = await stored()
    const row = await sql.query(`SELECT * FROM credentials WHERE credential_id = ?`, [idOf(id)])
    assert.strictEqual((await get(id)).status, 200)
    await sql.query(`UPDATE credentials SET ${edit} WHERE credential_id = ?`, [idOf(id)])
    for (const consumer of ["mail", "chat"]) {
      const answer = await get(id, consumer)
      assert.deepStrictEqual(refusal(answer), internal)
      assert.notInclude(JSON.stringify(answer.body), "forged-secret")
    }
    // Nothing that is done to it makes it good.
    const updated = await ask("credential.update", { credential_id: id, scopes: ["s"] })
    assert.deepStrictEqual(refusal(updated), internal)
    const credentials = { username: "u", password: "next" }
    assert.deepStrictEqual(refusal(await ask("credential.rotate", { credential_id: id, credentials })), internal)
    assert.deepStrictEqual(refusal(await get(id)), internal)
    // Put right again it is what it was.
    const { allowed_consumers, expires_at, mac, metadata, scopes, service_name, type, version } = row[0]
    await sql.query(
      `UPDATE credentials SET allowed_consumers = ?, expires_at = ?, mac = ?, metadata = ?, scopes = ?, service_name = ?,
        type = ?, version = ?, owner_key = '', created_by = ? WHERE credential_id = ?`,
      [allowed_consumers, expires_at, mac, metadata, scopes, service_name, type, version, row[0].created_by, idOf(id)]
    )
    assert.strictEqual((await get(id)).status, 200)
  })

  it("that was revoked or has expired does not come back", async () => {
    const { id } = await stored()
    await ask("credential.revoke", { credential_id: id })
    await sql.query("UPDATE credentials SET state = 0, reason = NULL WHERE credential_id = ?", [idOf(id)])
    assert.deepStrictEqual(refusal(await get(id)), internal)
    const deleted = await ask("credential.delete", { credential_id: id })
    assert.strictEqual(deleted.status, 200, "deleting it is the way out")
  })

  it("does not go to another tenant, nor its secret to another row or version", async () => {
    const [mine, other] = [await stored(), await stored()]
    await client.admin("tenants.create", { tenantId: "other" })
    await sql.query("UPDATE credentials SET tenant_id = 'other' WHERE credential_id = ?", [idOf(mine.id)])
    await sql.query("UPDATE credential_versions SET tenant_id = 'other' WHERE credential_id = ?", [idOf(mine.id)])
    assert.deepStrictEqual(refusal(await get(mine.id, "mail", "other")), internal)
    const rotated = { credential_id: other.id, credentials: { username: "u", password: "2" }, overlap: "PT1H" }
    assert.strictEqual((await ask("credential.rotate", rotated)).status, 200)
    const versions = await sql.query("SELECT version, sealed FROM credential_versions WHERE credential_id = ?", [
      idOf(other.id)
    ])
    const first = versions.find(({ version }: { readonly version: number }) => version === 1)
    await sql.query("UPDATE credential_versions SET sealed = ? WHERE credential_id = ? AND version = 2", [
      first.sealed,
      idOf(other.id)
    ])
    assert.deepStrictEqual(refusal(await get(other.id)), internal)
    await sql.query("UPDATE credentials SET secret_version = 1 WHERE credential_id = ?", [idOf(other.id)])
    assert.deepStrictEqual(refusal(await get(other.id)), internal)
  })

  it("is not made by hand, by copying the row of another", async () => {
    const { id } = await stored()
    const copy = "0190a0b0-0000-7000-8000-000000000001"
    const columns = "tenant_id, type, state, version, secret_version, scopes, metadata, expires_at, noticed_ms"
    const rest = "created_at, updated_at, created_by, updated_by, mac"
    await sql.query(
      `INSERT INTO credentials (credential_id, service_name, owner_key, allowed_consumers, ${columns}, ${rest})
        SELECT ?, 'svc-copy', '', '["chat"]', ${columns}, ${rest} FROM credentials WHERE credential_id = ?`,
      [idOf(copy), idOf(id)]
    )
    assert.deepStrictEqual(refusal(await get(copy, "chat")), internal)
  })

  it("that is swept after it was changed stays refused", async () => {
    const { id } = await stored()
    await sql.query(`UPDATE credentials SET allowed_consumers = '["chat"]', expires_at = 1 WHERE credential_id = ?`, [
      idOf(id)
    ])
    const state = async () =>
      (await sql.query("SELECT state FROM credentials WHERE credential_id = ?", [idOf(id)]))[0].state as number
    await eventually(state, (seen) => seen === 2, { what: "the sweep" })
    const credentials = { username: "u", password: "next" }
    const rotation = { credential_id: id, credentials, expires_at: "2099-01-01T00:00:00.000Z" }
    assert.deepStrictEqual(refusal(await ask("credential.rotate", rotation)), internal)
    assert.deepStrictEqual(refusal(await get(id, "chat")), internal)
  })
})

describe("a service that a tenant has switched off", () => {
  const attacks: ReadonlyArray<readonly [string, string]> = [
    ["switched on", "UPDATE tenant_services SET is_active = 1 WHERE tenant_id = 'demo' AND service_name = ?"],
    ["deleted", "DELETE FROM tenant_services WHERE tenant_id = 'demo' AND service_name = ?"],
    ["renamed", "UPDATE tenant_services SET service_name = 'zzz' WHERE tenant_id = 'demo' AND service_name = ?"],
    ["moved away", "UPDATE tenant_services SET tenant_id = 'nobody' WHERE tenant_id = 'demo' AND service_name = ?"]
  ]
  it.each(attacks)("and that was %s in the database gives out nothing", async (_, attack) => {
    const { id, service_name } = await stored()
    await ask("service.disable", { service_name })
    assert.deepStrictEqual(refusal(await get(id)), [403, "SERVICE_INACTIVE"])
    await sql.query(attack, [service_name])
    assert.deepStrictEqual(refusal(await get(id)), internal)
    assert.deepStrictEqual(refusal(await ask("service.disable", { service_name: "another" })), internal)
    // As it was.
    await sql.query("DELETE FROM tenant_services WHERE service_name IN (?, 'zzz')", [service_name])
    await sql.query("INSERT INTO tenant_services VALUES ('demo', ?, 0, NULL, 0)", [service_name])
    assert.deepStrictEqual(refusal(await get(id)), [403, "SERVICE_INACTIVE"])
    assert.strictEqual((await ask("service.enable", { service_name })).status, 200)
    assert.strictEqual((await get(id)).status, 200)
  })

  it("holds for global credentials as well", async () => {
    const { id, service_name } = await stored({}, "global")
    assert.strictEqual((await get(id)).status, 200)
    await ask("service.disable", { service_name }, "global")
    assert.deepStrictEqual(refusal(await get(id)), [403, "SERVICE_INACTIVE"])
    await sql.query("DELETE FROM tenant_services WHERE tenant_id = 'global' AND service_name = ?", [service_name])
    assert.deepStrictEqual(refusal(await get(id)), internal)
    await sql.query("INSERT INTO tenant_services VALUES ('global', ?, 0, NULL, 0)", [service_name])
    await ask("service.enable", { service_name }, "global")
    assert.strictEqual((await get(id)).status, 200)
  })
})

it("a tenant whose row was changed gets no secret", async () => {
  const { id } = await stored()
  const [{ created_at }] = await sql.query("SELECT created_at FROM tenants WHERE tenant_id = 'demo'")
  await sql.query("UPDATE tenants SET created_at = created_at - 1 WHERE tenant_id = 'demo'")
  assert.deepStrictEqual(refusal(await get(id)), internal)
  await sql.query("UPDATE tenants SET created_at = ? WHERE tenant_id = 'demo'", [created_at])
  assert.strictEqual((await get(id)).status, 200)
})

describe("whom a tenant believes", () => {
  const stranger = "https://stranger.invalid"
  const edits: ReadonlyArray<readonly [string, string]> = [
    ["another issuer", `issuer = '${stranger}', issuer_claimed = '${stranger}'`],
    ["keys from elsewhere", "jwks_uri = 'https://stranger.invalid/keys'"],
    ["another audience", "audience = 'stranger'"],
    ["nobody, so that none needs a token", "issuer = NULL, issuer_claimed = NULL, audience = NULL, jwks_uri = NULL"],
    ["another issuer, its tag gone", `issuer = '${stranger}', settings_mac = NULL`],
    ["the same, without a tag", "settings_mac = NULL"],
    ["a longer retention", "retention = 1"],
    ["more of everything", `limits = '{"tokens":1000000}'`]
  ]
  const columns = "issuer, issuer_claimed, audience, jwks_uri, retention, limits, settings_mac"
  const row = async () => (await sql.query(`SELECT ${columns} FROM tenants WHERE tenant_id = 'believer'`))[0]
  const restore = (before: Record<string, unknown>) =>
    sql.query(
      `UPDATE tenants SET ${columns.replaceAll(",", " = ?,")} = ? WHERE tenant_id = 'believer'`,
      columns.split(", ").map((column) => before[column])
    )
  let issuer: OidcIssuer
  let other: OidcIssuer
  beforeAll(async () => {
    issuer = await oidcIssuer()
    other = await oidcIssuer()
    const tenant = { tenantId: "believer", issuer: issuer.issuer, audience: "cm" }
    assert.strictEqual((await client.admin("tenants.create", tenant)).status, 201)
  })
  afterAll(() => Promise.all([issuer?.close(), other?.close()]))
  const list = async (by: OidcIssuer | null) =>
    client.ask(
      "believer",
      "token.list",
      {},
      by === null ? {} : { Authorization: `Bearer ${await by.token(everyScope)}` }
    )

  it.each(edits)("is nobody while its row says %s, and the same again when it is put right", async (_, edit) => {
    await eventually(
      () => list(issuer),
      ({ status }) => status === 200,
      { what: "the tenant's issuer" }
    )
    const before = await row()
    await sql.query(`UPDATE tenants SET ${edit} WHERE tenant_id = 'believer'`)
    // What was read before is remembered for a second.
    await eventually(
      () => list(issuer),
      ({ status }) => status === 500,
      { everyMs: 250, what: "the change is seen" }
    )
    for (const by of [issuer, other, null]) assert.deepStrictEqual(refusal(await list(by)), internal)
    const configured = await client.admin("tenants.configure", { tenantId: "believer", name: "Believer" })
    assert.deepStrictEqual(refusal(configured), internal)
    await restore(before)
    assert.strictEqual((await list(issuer)).status, 200)
  })

  it("is not another issuer, though that one signs well", async () => {
    const before = await row()
    await sql.query("UPDATE tenants SET issuer = ?, issuer_claimed = ? WHERE tenant_id = 'believer'", [
      other.issuer,
      other.issuer
    ])
    await eventually(
      () => list(issuer),
      ({ status }) => status === 500,
      { what: "the change is seen" }
    )
    assert.deepStrictEqual(refusal(await list(other)), internal)
    await restore(before)
    const audience = { tenantId: "believer", issuer: other.issuer, audience: "cm" }
    assert.strictEqual((await client.admin("tenants.configure", audience)).status, 200)
    assert.strictEqual((await list(other)).status, 200, "configured by the service it is")
  })

  it("does not come from a tenant of before: it is removed with a tag of its own", async () => {
    assert.strictEqual((await client.admin("tenants.remove", { tenantId: "believer" })).status, 200)
    await sql.query("UPDATE tenants SET removed_at = NULL WHERE tenant_id = 'believer'")
    const { status } = await list(other)
    assert.notStrictEqual(status, 200)
    await sql.query("DELETE FROM tenants WHERE tenant_id = 'believer'")
  })
})

describe("a token", () => {
  const edits: ReadonlyArray<readonly [string, string]> = [
    ["its endpoint", "endpoint_id = 'mallory'"],
    ["its end", "expires_at = NULL"],
    ["its status", "status = 1"],
    ["its version", "version = 7"],
    ["its id", "token_id = UNHEX('0190a0b0000070008000000000000009')"],
    ["its tenant", "tenant_id = 'global'"],
    ["its tag", "mac = NULL"]
  ]
  it.each(edits)("whose row was changed in %s is not valid", async (_, edit) => {
    const endpointId = crypto.randomUUID()
    const expiresDate = new Date(Date.now() + 3_600_000).toISOString()
    const { body } = await ask("token.provision", { appName, endpointId, expiresDate })
    assert.strictEqual(await validate(body.token), 200)
    await sql.query(`UPDATE tokens SET ${edit} WHERE token_id = ?`, [idOf(body.tokenId)])
    assert.strictEqual(await validate(body.token), 500)
    await ask("token.activate", { tokenId: body.tokenId })
    assert.strictEqual(await validate(body.token), 500)
  })

  it("that was suspended or revoked does not come back", async () => {
    for (const verb of ["suspend", "revoke"]) {
      const { id, token } = await provisioned()
      assert.strictEqual((await ask("token.activate", { tokenId: id })).status, 200)
      assert.strictEqual((await ask(`token.${verb}`, { tokenId: id })).status, 200)
      await sql.query("UPDATE tokens SET status = 1, reason = NULL WHERE token_id = ?", [idOf(id)])
      assert.strictEqual(await validate(token), 500)
    }
  })

  it("does not take the place of another: hashes that change rows", async () => {
    const [mine, other] = [await provisioned(), await provisioned()]
    const hashes = await sql.query("SELECT hash FROM tokens WHERE token_id = ?", [idOf(mine.id)])
    await sql.query("DELETE FROM tokens WHERE token_id = ?", [idOf(mine.id)])
    await sql.query("UPDATE tokens SET hash = ? WHERE token_id = ?", [hashes[0].hash, idOf(other.id)])
    assert.strictEqual(await validate(mine.token), 500)
  })

  it("changed by hand does not become good by being changed by the service", async () => {
    const { id, token } = await provisioned()
    assert.strictEqual((await ask("token.activate", { tokenId: id })).status, 200)
    await sql.query("UPDATE tokens SET endpoint_id = 'mallory' WHERE token_id = ?", [idOf(id)])
    assert.strictEqual((await ask("token.suspend", { tokenId: id })).status, 200)
    assert.deepStrictEqual(refusal(await ask("token.activate", { tokenId: id })), internal)
    assert.strictEqual(await validate(token), 500)
  })

  it("changed by hand is no source of another, and taking it away goes on", async () => {
    const { id, token } = await provisioned()
    await sql.query("UPDATE tokens SET endpoint_id = 'mallory' WHERE token_id = ?", [idOf(id)])
    assert.deepStrictEqual(refusal(await ask("token.rotate", { tokenId: id })), internal)
    assert.deepStrictEqual(refusal(await ask("token.activate", { tokenId: id })), internal)
    assert.strictEqual((await ask("token.revoke", { tokenId: id })).status, 200)
    await sql.query("UPDATE tokens SET status = 1 WHERE token_id = ?", [idOf(id)])
    assert.strictEqual(await validate(token), 500)
    assert.strictEqual((await ask("token.delete", { tokenId: id })).status, 200)
  })
})

describe("a population that is being revoked", () => {
  const sweep = "token-revoke-all"
  /** The sweep's claim is somebody else's, once the service does not hold it any more without asking. */
  const claimed = async () => {
    await sql.query("INSERT IGNORE INTO sweep_claims (sweep, replica_id, expires_at) VALUES (?, 'nobody', 0)", [sweep])
    const isTaken = async () => {
      const { affectedRows } = await sql.query(
        `UPDATE sweep_claims SET replica_id = 'nobody', expires_at = UNIX_TIMESTAMP(NOW(3)) * 1000 + ?
          WHERE sweep = ? AND expires_at < UNIX_TIMESTAMP(NOW(3)) * 1000 + ?`,
        [claimMsMax / 2, sweep, claimMs / 2]
      )
      return affectedRows === 1
    }
    await eventually(isTaken, Boolean, { what: "the end of the time in which the service holds its claim" })
  }
  /** One that nothing goes on with while the row is changed. */
  const begun = async () => {
    await claimed()
    const { id, token } = await provisioned()
    assert.strictEqual((await ask("token.activate", { tokenId: id })).status, 200)
    const { body } = await ask("token.revoke-all", { applications: [appName], reason: "r" })
    return { token, operationId: String(body.operationId) }
  }
  const release = () => sql.query("DELETE FROM sweep_claims WHERE sweep = ?", [sweep])
  const statusOf = (operationId: string) => ask("token.revoke-all-status", { operationId })
  const rowsOf = async (operationId: string) => {
    const { body } = await ask("audit.list", { entityId: operationId, limit: 100 })
    return (body.content as ReadonlyArray<{ action: string; actor: string }>).map(({ action }) => action)
  }
  const mallory = `'{"principal":"OPERATOR/eve","known":{"by":"import","account":"OPERATOR","user":"eve","client":null}}'`
  const edits: ReadonlyArray<readonly [string, string]> = [
    ["who asked", `asker = ${mallory}`],
    ["the request it was asked by", "correlation_id = 'another'"],
    ["its population", `population = '{"applications":["other"],"createdBefore":4102444800000}'`],
    ["its reason", "reason = 'another'"],
    ["how far it came", "street = street + 1"],
    ["how many it took", "done = 999"],
    ["its end", "finished_at = 1700000000000"],
    ["its tag", "mac = NULL"]
  ]
  it.each(edits)("whose row was changed in %s goes nowhere, and names nobody", async (_, edit) => {
    const { operationId, token } = await begun()
    const [row] = await sql.query("SELECT * FROM revoke_all WHERE operation_id = ?", [idOf(operationId)])
    await sql.query(`UPDATE revoke_all SET ${edit} WHERE operation_id = ?`, [idOf(operationId)])
    const before = service.output().length
    await release()
    const isEnded = edit.startsWith("finished_at")
    assert.deepStrictEqual(refusal(await statusOf(operationId)), internal)
    if (!isEnded) {
      await eventually(
        () => Promise.resolve(service.output().slice(before)),
        (text) => text.split("\n").some((line) => line.includes("goes on later") && line.includes(operationId)),
        { what: "the sweep to leave the changed row alone", limitMs: 120_000 }
      )
    }
    assert.strictEqual(await validate(token), 200)
    assert.deepStrictEqual(await rowsOf(operationId), ["token.revoke_all"])
    // Put right again it is what it was, and goes on.
    const { asker, correlation_id, done, finished_at, mac, population, reason, street } = row
    await sql.query(
      `UPDATE revoke_all SET asker = ?, correlation_id = ?, done = ?, finished_at = ?, mac = ?, population = ?, reason = ?,
        street = ? WHERE operation_id = ?`,
      [asker, correlation_id, done, finished_at, mac, population, reason, street, idOf(operationId)]
    )
    await eventually(
      () => statusOf(operationId),
      ({ body }) => body.state === "done",
      { what: "it to end", limitMs: 120_000 }
    )
    assert.deepStrictEqual(await rowsOf(operationId), ["token.revoke_all", "token.revoke_all_done"])
    assert.notStrictEqual(await validate(token), 200)
  })

  it("is not made by hand", async () => {
    const { operationId } = await begun()
    const columns =
      "population, reason, correlation_id, matched, at_least, done, street, after_token_id, started_at, mac"
    const made = "0190a0b0-0000-7000-8000-000000000077"
    await sql.query(
      `INSERT INTO revoke_all (tenant_id, operation_id, asker, ${columns})
        SELECT tenant_id, ?, asker, ${columns} FROM revoke_all WHERE operation_id = ?`,
      [idOf(made), idOf(operationId)]
    )
    await release()
    assert.deepStrictEqual(refusal(await statusOf(made)), internal)
    await eventually(
      () => statusOf(operationId),
      ({ body }) => body.state === "done",
      { what: "the real one to end", limitMs: 120_000 }
    )
    assert.deepStrictEqual(await rowsOf(made), [])
    await sql.query("DELETE FROM revoke_all WHERE operation_id = ?", [idOf(made)])
  })
})

it("all of it is told and counted, and a refused hand-out is a row of the audit", async () => {
  const { id } = await stored()
  await sql.query(`UPDATE credentials SET allowed_consumers = '["whatsapp"]' WHERE credential_id = ?`, [idOf(id)])
  assert.deepStrictEqual(refusal(await get(id, "whatsapp")), internal)
  const { body } = await ask("audit.list", { entityId: id, limit: 100 })
  const rows = body.content as ReadonlyArray<{ readonly action: string; readonly diff?: { readonly reason?: string } }>
  assert.isTrue(rows.some(({ action, diff }) => action === "credential.refused" && diff?.reason === "RowChanged"))
  const text = await metrics()
  for (const kind of ["credential", "tenant", "token", "revoke-all"]) {
    assert.match(text, new RegExp(`cm_rows_changed_total\\{[^}]*kind="${kind}"[^}]*\\} [1-9]`, "u"))
  }
  assert.include(service.output(), "was changed outside of the service")
  assert.notInclude(service.output(), "forged-secret")
})

it("rows of before get their tags once, when an operator says so, and never by themselves", async () => {
  const { id } = await stored()
  await service.stop()
  for (const table of ["credentials", "tokens", "tenants"]) await sql.query(`UPDATE ${table} SET mac = NULL`)
  await sql.query("UPDATE tenants SET settings_mac = NULL")
  const again = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, keyFile: service.keyFile }
  service = await startService({ ...again, env })
  assert.deepStrictEqual(refusal(await get(id)), internal, "rows without tags are not believed")
  await service.stop()
  // A database of before has no key for tags either.
  await sql.query("DELETE FROM data_keys WHERE purpose = 'row-tag'")
  const refused = await startService({ ...again, env, unready: true })
  assert.notStrictEqual(await refused.exited, 0)
  assert.include(refused.output(), "CM_ROWS_ADOPT=true")
  service = await startService({ ...again, env: { ...env, CM_ROWS_ADOPT: "true" } })
  assert.strictEqual((await get(id)).status, 200)
  assert.include(service.output(), "rows were tagged as they stood")
  const [{ untagged }] = await sql.query("SELECT COUNT(*) AS untagged FROM tenants WHERE settings_mac IS NULL")
  assert.strictEqual(Number(untagged), 0)
})
