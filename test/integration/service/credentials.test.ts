// Verifies R-SEC-5, R-SEC-6.
/**
 * Third-party credentials from outside: two replicas on one pair, a client that knows the contract only.
 *
 * Verifies: R-SEC-1, R-SEC-5, R-SEC-6, R-SEC-8, R-SEC-10, R-SEC-11.
 */
import { createCurve } from "@nats-io/nkeys"
import { connect } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { inTime, reached } from "../../support/inTime.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "crd"
let database: FreshDatabase
let replicas: ReadonlyArray<Service>
let client: Client
const events: Array<{
  readonly subject: string
  readonly body: Record<string, unknown>
  readonly header: (name: string) => string
}> = []

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const options = {
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: { CM_CREDENTIAL_SWEEP_EVERY: "100 millis", CM_AUDIT_CHECKPOINT_EVERY: "1 second", LOG_LEVEL: "trace" }
  }
  const one = await startService(options)
  const two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  replicas = [one, two]
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  client.nc.subscribe(`${instance}.events.v1.>`, {
    callback: (_, message) => {
      events.push({
        subject: message.subject,
        body: message.json(),
        header: (name) => message.headers?.get(name) ?? ""
      })
    }
  })
  await client.nc.flush()
})
afterAll(async () => {
  await client?.close()
  await Promise.all(replicas?.map((replica) => replica.stop()) ?? [])
  await database?.drop()
})

const ask = (operation: string, body: unknown = {}, headers: Record<string, string> = {}, tenant = "demo") =>
  client.ask(tenant, operation, body, headers)
const basic = (password: string) => ({ username: "user", password })
let services = 0
const newService = () => `svc${++services}`
const store = async (over: object = {}, tenant = "demo") => {
  const service_name = newService()
  const body = { service_name, type: "basic", credentials: basic("pw"), allowed_consumers: ["mail"], ...over }
  const answer = await ask("credential.store", body, {}, tenant)
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return {
    id: answer.body.credential_id as string,
    service_name: (over as { service_name?: string }).service_name ?? service_name
  }
}
const refusal = (answer: Answer) => [answer.status, answer.code]
const eventsOf = (credentialId: string) =>
  events.filter(({ body }) => body.credential_id === credentialId && body.event_type !== "notification")
const auditOf = async (entityId: string) =>
  (await ask("audit.list", { entityId, limit: 1000 })).body.content as ReadonlyArray<Record<string, unknown>>

describe("a credential's life", () => {
  it("is stored, handed out, rotated, revoked and remembered", async () => {
    const { id, service_name } = await store({ scopes: ["mail.read"], metadata: { note: "n" } })
    const got = await ask("credential.get.mail", { service_name })
    assert.strictEqual(got.status, 200)
    assert.deepStrictEqual(got.body.credentials, basic("pw"))
    assert.deepInclude(got.body, {
      credential_id: id,
      tenant_id: "demo",
      version: 1,
      is_active: true,
      expires_at: null
    })
    assert.deepStrictEqual(got.body.owner, { level: "tenant" })

    const rotated = await ask("credential.rotate", { credential_id: id, credentials: basic("pw2"), overlap: "PT1H" })
    assert.deepInclude(rotated.body, { credential_id: id, success: true, version: 2 })
    assert.deepStrictEqual((await ask("credential.get.mail", { credential_id: id })).body.credentials, basic("pw2"))
    assert.deepStrictEqual(
      refusal(await ask("credential.rotate", { credential_id: id, credentials: basic("x"), expected_version: 1 })),
      [409, "VERSION_CONFLICT"]
    )
    assert.deepStrictEqual(refusal(await ask("credential.rotate", { credential_id: id })), [
      409,
      "REFRESH_NOT_CONFIGURED"
    ])
    assert.deepStrictEqual(
      refusal(await ask("credential.rotate", { credential_id: id, credentials: { api_key: "k" } })),
      [400, "INVALID_REQUEST"]
    )

    const updated = await ask("credential.update", {
      credential_id: id,
      scopes: ["b"],
      allowed_consumers: ["mail", "chat"]
    })
    assert.deepInclude(updated.body, { version: 3, scopes: ["b"], allowed_consumers: ["mail", "chat"] })
    assert.strictEqual((await ask("credential.get.chat", { credential_id: id })).status, 200)

    const history = (await ask("credential.history", { credential_id: id })).body.content
    assert.deepStrictEqual(
      history.map((entry: Record<string, unknown>) => [entry.version, entry.state]),
      [
        [2, "active"],
        [1, "overlapping"]
      ]
    )
    const revoked = await ask("credential.revoke", { credential_id: id, reason: "leaked" })
    assert.deepInclude(revoked.body, { credential_id: id, success: true, version: 4 })
    assert.deepInclude((await ask("credential.revoke", { credential_id: id })).body, { version: 4 })
    assert.deepStrictEqual(refusal(await ask("credential.get.mail", { credential_id: id })), [
      410,
      "CREDENTIAL_REVOKED"
    ])
    assert.deepInclude((await ask("credential.describe", { credential_id: id })).body, {
      is_active: false,
      state: "revoked",
      reason: "leaked"
    })
    assert.deepStrictEqual(refusal(await ask("credential.rotate", { credential_id: id, credentials: basic("x") })), [
      410,
      "CREDENTIAL_REVOKED"
    ])

    await eventually(
      () => eventsOf(id),
      ({ length }) => length === 3,
      { what: "three events" }
    )
    const [stored, second, third] = eventsOf(id)
    const { timestamp, ...fields } = stored!.body
    assert.deepStrictEqual(fields, {
      event_type: "credential.stored",
      credential_id: id,
      tenant_id: "demo",
      service_name,
      type: "basic",
      scopes: ["mail.read"]
    })
    assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u)
    assert.strictEqual(stored!.subject, `${instance}.events.v1.demo.credential.stored`)
    assert.strictEqual(stored!.header("ce-type"), "credential.stored")
    assert.strictEqual(stored!.header("ce-entityversion"), "1")
    assert.deepInclude(second!.body, { event_type: "credential.rotated", version: 2 })
    assert.deepInclude(third!.body, { event_type: "credential.revoked", version: 4, reason: "leaked" })

    const actions = (await auditOf(id)).map(({ action, actor }) => `${actor} ${action}`)
    assert.deepStrictEqual(actions, [
      "ADMIN/tester credential.stored",
      "mail credential.read",
      "ADMIN/tester credential.rotated",
      "mail credential.read",
      "ADMIN/tester credential.updated",
      "chat credential.read",
      "ADMIN/tester credential.revoked",
      "mail credential.refused"
    ])
    assert.strictEqual((await ask("credential.delete", { credential_id: id })).body.deleted, 1)
    assert.deepStrictEqual(refusal(await ask("credential.describe", { credential_id: id })), [
      404,
      "CREDENTIAL_NOT_FOUND"
    ])
    assert.strictEqual((await auditOf(id)).at(-1)?.action, "credential.deleted")
  })

  it("is stored once by a hundred at once, over two replicas", async () => {
    const service_name = newService()
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        ask("credential.store", { service_name, type: "api_key", credentials: { api_key: `k${n}` } })
      )
    )
    const stored = answers.filter(({ status }) => status === 201)
    assert.lengthOf(stored, 1)
    assert.isTrue(
      answers.every(({ code, status }) => status === 201 || (status === 409 && code === "CREDENTIAL_EXISTS"))
    )
    const { content } = (await ask("credential.list", { service_name })).body
    assert.lengthOf(content, 1)
    const user = { level: "user", user_id: "u1" }
    assert.strictEqual(
      (await ask("credential.store", { service_name, type: "api_key", credentials: { api_key: "k" }, owner: user }))
        .status,
      201
    )
  })

  it("gives the first answer again for the same idempotency key", async () => {
    const body = { service_name: newService(), type: "api_key", credentials: { api_key: "k" } }
    const [first, second] = [
      await ask("credential.store", body, { "Idempotency-Key": "i1" }),
      await ask("credential.store", body, { "Idempotency-Key": "i1" })
    ]
    assert.deepStrictEqual(second.body, first.body)
    assert.strictEqual(second.status, 201)
  })

  it("ends at its end, is announced before and after, and may be revived by a rotation", async () => {
    const typesOf = (id: string) => eventsOf(id).map(({ body }) => body.event_type)
    const { end, expires_at, id, service_name } = await inTime(async (lifeMs) => {
      const end = Date.now() + lifeMs
      const expires_at = new Date(end).toISOString()
      const service_name = newService()
      const body = { service_name, type: "basic", credentials: basic("pw"), allowed_consumers: ["mail"], expires_at }
      const stored = await ask("credential.store", body)
      const id = stored.body.credential_id as string
      const before = await ask("credential.get.mail", { credential_id: id })
      // The notice has to be given before the end, too.
      await eventually(
        () => typesOf(id),
        (types) => types.includes("credential.expiring") || Date.now() >= end,
        { limitMs: 120_000 }
      )
      if (Date.now() >= end) return undefined
      assert.deepStrictEqual([stored.status, before.status], [201, 200])
      return { end, expires_at, id, service_name }
    })
    await reached(end)
    assert.deepStrictEqual(refusal(await ask("credential.get.mail", { credential_id: id })), [
      410,
      "CREDENTIAL_EXPIRED"
    ])
    await eventually(
      () => typesOf(id),
      (types) => types.includes("credential.expired")
    )
    assert.deepStrictEqual(
      eventsOf(id).map(({ body }) => body.event_type),
      ["credential.stored", "credential.expiring", "credential.expired"]
    )
    assert.deepInclude(eventsOf(id)[1]!.body, { within_days: 1, expires_at })
    assert.isTrue(
      events.some(({ body, subject }) => body.credential_id === id && subject.endsWith(".demo.notification"))
    )
    assert.deepInclude((await ask("credential.describe", { service_name })).body, {
      is_active: false,
      state: "expired"
    })
    const later = new Date(Date.now() + 3_600_000).toISOString()
    const revived = await ask("credential.rotate", { credential_id: id, credentials: basic("new"), expires_at: later })
    assert.strictEqual(revived.status, 200)
    assert.deepStrictEqual((await ask("credential.get.mail", { credential_id: id })).body.credentials, basic("new"))
  })
})

describe("who may read", () => {
  it("only whom the credential names, told apart by the subject", async () => {
    const { id } = await store()
    assert.deepStrictEqual(refusal(await ask("credential.get.chat", { credential_id: id })), [
      403,
      "CONSUMER_NOT_ALLOWED"
    ])
    assert.deepStrictEqual(refusal(await ask("credential.get", { credential_id: id })), [403, "CONSUMER_NOT_ALLOWED"])
    const forged = { "Nats-Request-Info": '{"acc":"mail"}' }
    assert.deepStrictEqual(refusal(await ask("credential.get", { credential_id: id }, forged)), [
      403,
      "CONSUMER_NOT_ALLOWED"
    ])
  })

  it("nobody, unless somebody is named", async () => {
    const { id } = await store({ allowed_consumers: [] })
    assert.deepStrictEqual(refusal(await ask("credential.get.mail", { credential_id: id })), [
      403,
      "CONSUMER_NOT_ALLOWED"
    ])
  })

  it("the user's before the tenant's before the global one", async () => {
    const service_name = newService()
    const owner = { level: "user", user_id: "u1" }
    const get = async () => (await ask("credential.get.mail", { service_name, owner })).body
    const { id: global } = await store({ service_name, credentials: basic("global") }, "global")
    assert.strictEqual((await get()).credentials.password, "global")
    assert.strictEqual((await get()).tenant_id, "global")
    await store({ service_name, credentials: basic("tenant") })
    assert.strictEqual((await get()).credentials.password, "tenant")
    const { id: user } = await store({ service_name, credentials: basic("user"), owner })
    assert.strictEqual((await get()).credentials.password, "user")
    await ask("credential.revoke", { credential_id: user })
    assert.strictEqual((await get()).credentials.password, "tenant")
    assert.deepStrictEqual(refusal(await ask("credential.revoke", { credential_id: global })), [
      404,
      "CREDENTIAL_NOT_FOUND"
    ])
  })

  it("no other tenant", async () => {
    await client.admin("tenants.create", { tenantId: "other" })
    const { id } = await store()
    for (const operation of ["get.mail", "describe", "history", "revoke", "delete"]) {
      const answer = await ask(`credential.${operation}`, { credential_id: id }, {}, "other")
      assert.deepStrictEqual(refusal(answer), [404, "CREDENTIAL_NOT_FOUND"], operation)
    }
  })

  it("nobody while the service is disabled, and again once it is enabled", async () => {
    const { id, service_name } = await store()
    const disabled = await ask("service.disable", { service_name, reason: "incident" })
    assert.deepInclude(disabled.body, { service_name, is_active: false, reason: "incident" })
    assert.deepStrictEqual(refusal(await ask("credential.get.mail", { credential_id: id })), [403, "SERVICE_INACTIVE"])
    assert.deepInclude((await ask("credential.describe", { credential_id: id })).body, {
      service_active: false,
      is_active: true
    })
    const { content } = (await ask("service.list")).body
    assert.isFalse(content.find((one: Record<string, unknown>) => one.service_name === service_name).is_active)
    await ask("service.enable", { service_name })
    assert.strictEqual((await ask("credential.get.mail", { credential_id: id })).status, 200)
    assert.deepInclude((await ask("credential.describe", { credential_id: id })).body, { service_active: true })
  })

  it("with seal_to only the holder of the seed, and nobody on the bus", async () => {
    const planted = "Sealed-Planted-91c2d4"
    const { id } = await store({ credentials: basic(planted) })
    const captured: Array<string> = []
    const ear = await connect({ servers: inject("natsUrl") })
    ear.subscribe(">", { callback: (_, message) => void captured.push(message.string()) })
    await ear.flush()
    const key = createCurve()
    const { body } = await ask("credential.get.mail", { credential_id: id, seal_to: key.getPublicKey() })
    const opened = key.open(new Uint8Array(Buffer.from(body.sealed, "base64")), body.sealed_by)
    assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(opened ?? new Uint8Array())), basic(planted))
    assert.isUndefined(body.credentials)
    await ear.flush()
    assert.isAbove(captured.length, 0)
    assert.notInclude(captured.join("\n"), planted)
    await ear.close()
    const wrong = await ask("credential.get.mail", { credential_id: id, seal_to: "XNOTAKEY" })
    assert.deepStrictEqual(refusal(wrong), [400, "INVALID_REQUEST"])
  })
})

describe("from the answer on", () => {
  it("no replica hands out what was revoked or switched off, while others read as fast as they can", async () => {
    for (let round = 0; round < 4; round++) {
      const { id, service_name } = await store()
      const change = { done: false }
      const late: Array<number> = []
      const readers = Array.from({ length: 8 }, async () => {
        for (let n = 0; n < 25; n++) {
          const after = change.done
          const { status } = await ask("credential.get.mail", { credential_id: id })
          if (after) late.push(status)
        }
      })
      if (round % 2 === 0) await ask("credential.revoke", { credential_id: id })
      else await ask("service.disable", { service_name })
      change.done = true
      await Promise.all(readers)
      assert.isTrue(
        late.every((status) => status === (round % 2 === 0 ? 410 : 403)),
        `round ${round}: ${late}`
      )
    }
  })

  it("what describe says is what was answered, on both replicas", async () => {
    const { id } = await store()
    for (let version = 1; version <= 10; version++) {
      const seen = await Promise.all(Array.from({ length: 6 }, () => ask("credential.describe", { credential_id: id })))
      assert.isTrue(seen.every(({ body }) => body.version === version))
      await ask("credential.update", { credential_id: id, scopes: [`s${version}`] })
    }
  })
})

describe("sealed records", () => {
  it("open in no other row: another credential, tenant or version", async () => {
    const connection = await connectSql(database.url)
    const sql = <A>(statement: string, values: ReadonlyArray<unknown> = []) =>
      connection.query<A>(statement, [...values])
    const uuid = (id: string) => Buffer.from(id.replaceAll("-", ""), "hex")
    await client.admin("tenants.create", { tenantId: "moved" })
    const [one, two, foreign] = [await store(), await store(), await store({}, "moved")]
    await ask("credential.rotate", { credential_id: one.id, credentials: basic("second"), overlap: "PT1H" })
    const sealed = async (id: string) =>
      sql<Array<{ sealed: Buffer; version: number }>>(
        "SELECT sealed, version FROM credential_versions WHERE credential_id = ? AND sealed IS NOT NULL ORDER BY version DESC",
        [uuid(id)]
      )
    const [mine, older] = await sealed(one.id)
    const put = (record: Buffer) =>
      sql("UPDATE credential_versions SET sealed = ? WHERE credential_id = ? AND version = ?", [
        record,
        uuid(one.id),
        mine!.version
      ])
    for (const moved of [(await sealed(two.id))[0]!, (await sealed(foreign.id))[0]!, older!]) {
      await put(moved.sealed)
      const answer = await ask("credential.get.mail", { credential_id: one.id })
      assert.strictEqual(answer.status, 500)
    }
    const changed = Buffer.from(mine!.sealed)
    changed[changed.length - 1]! ^= 1
    await put(changed)
    assert.strictEqual((await ask("credential.get.mail", { credential_id: one.id })).status, 500)
    await put(mine!.sealed)
    assert.strictEqual(
      (await ask("credential.get.mail", { credential_id: one.id })).body.credentials.password,
      "second"
    )
    await connection.end()
  })

  it("are wiped with the revocation, and with the end of an overlap", async () => {
    const connection = await connectSql(database.url)
    const secretsOf = async (id: string) => {
      const rows = await connection.query<Array<{ n: number }>>(
        "SELECT COUNT(sealed) AS n FROM credential_versions WHERE credential_id = ?",
        [Buffer.from(id.replaceAll("-", ""), "hex")]
      )
      return Number(rows[0]!.n)
    }
    const { id } = await store()
    await ask("credential.rotate", { credential_id: id, credentials: basic("b"), overlap: "PT0.3S" })
    await eventually(
      () => secretsOf(id),
      (n) => n === 1,
      { what: "the end of the overlap" }
    )
    await ask("credential.revoke", { credential_id: id })
    assert.strictEqual(await secretsOf(id), 0)
    await connection.end()
  })
})
