// Verifies R-PLT-10, R-PLT-11, R-PLT-12, R-PLT-13.
/**
 * Two replicas with a Tekton and a Tenant Manager beside them: real HTTP servers, strict, and able to fail.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { BroadcastConfigurationUpdateEvent, ServiceSpecificConfigurationUpdateEvent } from "../../../src/schema/Scmp.ts"
import { UnregisteredEvent, UpdatedEvent } from "../../../src/schema/Tle.ts"
import { type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"
import { startTekton, type TektonStandIn } from "../../support/standIns/tekton.ts"
import { startTenantManager, type TenantManagerStandIn } from "../../support/standIns/tenantManager.ts"

const instance = "plat"
let database: FreshDatabase
let tekton: TektonStandIn
let manager: TenantManagerStandIn
let client: Client
let services: ReadonlyArray<Service> = []

const start = async (keyFile?: string) => {
  const env = {
    ...tekton.environment,
    ...manager.environment,
    CM_DEV_TENANTS: "",
    CM_PLATFORM_TIMEOUT: "2 seconds",
    // Only what events ask for, and the start.
    CM_TEKTON_EVERY: "1 hour",
    CM_TENANT_MANAGER_EVERY: "1 hour"
  }
  const of = (replica: string, keys: string | undefined) =>
    startService({
      natsUrl: inject("natsUrl"),
      databaseUrl: database.url,
      instance,
      replica,
      env,
      ...(keys === undefined ? {} : { keyFile: keys })
    })
  const one = await of("one", keyFile)
  services = [one, await of("two", one.keyFile)]
}
const stop = () => Promise.all(services.map((service) => service.stop()))

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  tekton = await startTekton({ instance })
  manager = await startTenantManager()
  manager.put("acme")
  tekton.put("acme", "meters")
  await start()
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  await client?.close()
  await stop()
  await Promise.all([tekton?.stop(), manager?.stop()])
  await database?.drop()
})

const broadcast = async (type: "upsert" | "delete", tenantID: string | null, appName: string | null = null) => {
  const event = { correlationId: "c", timestamp: 1n, originatorReplicaId: "tekton-0", tenantID, appName }
  client.nc.publish(
    `kaa.v1.events.tekton.service.configuration.${type}`,
    BroadcastConfigurationUpdateEvent.encode({ ...event, appVerName: null })
  )
  await client.nc.flush()
}
const targeted = async (type: "upsert" | "delete", tenantID: string, appName: string, appVerName: string | null) => {
  const event = { correlationId: "c", timestamp: 1n, tenantID, appName, appVerName }
  client.nc.publish(
    `kaa.v1.service.${instance}.scmp.configuration.${type}`,
    ServiceSpecificConfigurationUpdateEvent.encode(event)
  )
  await client.nc.flush()
}
const tenantEvent = async (type: "updated" | "unregistered", tenantId: string) => {
  const schema = type === "updated" ? UpdatedEvent : UnregisteredEvent
  const event = { correlationId: "c", timestamp: 1n, timeout: 0n, tenantId, originatorReplicaId: "tm-0" }
  client.nc.publish(`kaa.v1.events.tm-${instance}.tenant.lifecycle.${type}`, schema.encode(event))
  await client.nc.flush()
}
const provision = async (tenantId: string, appName: string, endpointId = "e") => {
  const answer = await client.ask(tenantId, "token.provision", { appName, endpointId })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return answer.body as { token: string; tokenId: string; expiresDate?: string }
}
const status = async (appName: string, token: string) => (await client.validate(appName, token)).statusCode
const applications = async (tenantId: string): Promise<ReadonlyArray<string>> => {
  const { body } = await client.ask(tenantId, "application.list", { limit: 1_000 })
  return (body.content ?? []).map(({ appName }: { appName: string }) => appName)
}
const listed = (tenantId: string, appName: string, is = true) =>
  eventually(
    () => applications(tenantId),
    (names) => names.includes(appName) === is,
    { limitMs: 120_000, what: `${appName} being ${is ? "listed" : "gone"}` }
  )
/** Asks often enough that each of the two replicas' tables has it. */
const heat = (appName: string, token: string) => Promise.all(Array.from({ length: 24 }, () => status(appName, token)))
const config = async () => (await client.admin("config.show")).body.platform

describe("at the start", () => {
  it("tenants and applications are those of the Tenant Manager and of Tekton, and are managed there", async () => {
    const { body } = await client.admin("tenants.list")
    assert.deepStrictEqual(
      body.content.map(({ tenantId }: { tenantId: string }) => tenantId),
      ["acme", "global"]
    )
    assert.deepStrictEqual(await applications("acme"), ["meters"])
    for (const [operation, request] of [
      ["tenants.create", { tenantId: "other" }],
      ["tenants.remove", { tenantId: "acme" }]
    ] as const) {
      const answer = await client.admin(operation, request)
      assert.deepStrictEqual([answer.status, answer.code], [409, "MANAGED_ELSEWHERE"])
    }
    for (const operation of ["application.register", "application.remove"]) {
      const answer = await client.ask("acme", operation, { appName: "meters" })
      assert.deepStrictEqual([answer.status, answer.code], [409, "MANAGED_ELSEWHERE"])
    }
    assert.strictEqual((await client.ask("nobody", "application.register", { appName: "x" })).code, "TENANT_NOT_FOUND")
    assert.deepStrictEqual(tekton.refusals, [])
    assert.deepStrictEqual(manager.refusals, [])
  })
})

describe("17/SCMP", () => {
  it("an application that is upserted is there, with its configuration, which wrong values do not undo", async () => {
    tekton.put("acme", "lamps", { "ep-token": { length: 32, alphabet: "abcdefghij", "default-lifetime": "P1D" } })
    await broadcast("upsert", "acme", "lamps")
    await listed("acme", "lamps")
    const made = await eventually(
      () => provision("acme", "lamps"),
      ({ token }) => /^[a-j]{32}$/u.test(token)
    )
    const lifetime = Date.parse(made.expiresDate ?? "") - Date.now()
    assert.isTrue(lifetime > 86_000_000 && lifetime <= 86_400_000, String(lifetime))
    const rotated = await client.ask("acme", "token.rotate", { tokenId: made.tokenId })
    assert.match(rotated.body.token, /^[a-j]{32}$/u)

    tekton.put("acme", "lamps", { "ep-token": { length: 7 } })
    await targeted("upsert", "acme", "lamps", "lamps-v1")
    const shown = await eventually(
      async () => (await config()).applications.find(({ name }: { name: string }) => name === "lamps"),
      (found) => found?.refused != null
    )
    assert.deepInclude(shown, { tenantId: "acme", source: "tekton" })
    assert.deepStrictEqual(shown.settings, { length: 32, alphabet: "abcdefghij", defaultLifetimeMs: 86_400_000 })
    assert.match((await provision("acme", "lamps", "e2")).token, /^[a-j]{32}$/u)
    // Counted by the replica that was told; the bus gives the question to any of them.
    await eventually(
      async () => String((await client.admin("metrics")).body),
      (text) => /cm_tekton_refused_total\{[^}]*reason="wrong_configuration"/u.test(text),
      { what: "the replica that was told counts what it refused" }
    )
  })

  it("one whose configuration is deleted is out of service on every replica at once, told, kept, and comes back", async () => {
    const kept = await provision("acme", "meters", "kept")
    const heard: Array<{ appName: string; endpointId: string; tokenIds: ReadonlyArray<string> }> = []
    const subscription = client.nc.subscribe(`kaa.v1.events.${instance}.endpoint.token.revoked`, {
      callback: (_, message) => void heard.push(ecap.RevokedEvent.fromBuffer(Buffer.from(message.data)))
    })
    await client.nc.flush()
    await heat("meters", kept.token)
    tekton.appConfigs.delete("meters")
    await targeted("delete", "acme", "meters", null)
    await listed("acme", "meters", false)
    // From here on no replica says otherwise, however hot its table was.
    assert.deepStrictEqual([...new Set(await heat("meters", kept.token))], [404])
    assert.strictEqual((await client.ask("acme", "token.get", { tokenId: kept.tokenId })).status, 404)
    assert.strictEqual(
      (await client.ask("acme", "token.provision", { appName: "meters", endpointId: "x" })).status,
      404
    )
    const event = await eventually(
      () => heard.find(({ endpointId }) => endpointId === "kept"),
      (found) => found !== undefined
    )
    assert.deepInclude(event!, { appName: "meters" })
    assert.deepStrictEqual([...event!.tokenIds], [kept.tokenId])

    // Reading everything does not bring it back: its configuration was deleted.
    await broadcast("upsert", null)
    tekton.put("acme", "later")
    await broadcast("upsert", "acme", "later")
    await listed("acme", "later")
    assert.strictEqual(await status("meters", kept.token), 404)

    const before = heard.length
    tekton.put("acme", "meters")
    await broadcast("upsert", "acme", "meters")
    await listed("acme", "meters")
    await eventually(
      () => heat("meters", kept.token),
      (statuses) => statuses.every((one) => one === 200)
    )
    assert.lengthOf(heard, before)
    subscription.unsubscribe()
  })

  it("of a burst of deletions and upserts the last one counts, on every replica", async () => {
    tekton.put("acme", "burst")
    await broadcast("upsert", "acme", "burst")
    await listed("acme", "burst")
    const made = await provision("acme", "burst")
    const all = (code: number) =>
      eventually(
        () => heat("burst", made.token),
        (statuses) => statuses.every((one) => one === code),
        { limitMs: 60_000, what: `every replica answering ${code}` }
      )
    /** Every replica has carried out all that was sent before: in order of arrival, its own events too. */
    const settled = async () => {
      const name = `behind-${tekton.appConfigs.size}`
      tekton.put("acme", name)
      await broadcast("upsert", "acme", name)
      await listed("acme", name)
    }
    const burst = async (first: "upsert" | "delete", last: "upsert" | "delete") => {
      await Promise.all(
        Array.from({ length: 20 }).flatMap(() => [broadcast(first, "acme", "burst"), broadcast(last, "acme", "burst")])
      )
      await settled()
    }
    await burst("delete", "upsert")
    await all(200)
    await burst("upsert", "delete")
    await all(404)
    await burst("delete", "upsert")
    await all(200)

    // A pull is under way, which began before the deletion: it counts neither for nor against what came since.
    const underWay = async () => {
      const asked = tekton.seen.length
      tekton.faults.delayMs = 400
      await broadcast("upsert", "acme", "burst")
      await eventually(
        () => tekton.seen.length,
        (length) => length > asked
      )
      await broadcast("delete", "acme", "burst")
    }
    await underWay()
    await all(404)
    tekton.faults.delayMs = 0
    await settled()
    await all(404)
    await underWay()
    await broadcast("upsert", "acme", "burst")
    await all(200)
    tekton.faults.delayMs = 0
    await settled()
    await all(200)
  })

  it("a reading that lacks one takes it out only when everything was read and valid", async () => {
    const { token } = await provision("acme", "later", "l")
    assert.strictEqual(await status("later", token), 200)
    tekton.drop("acme", "later")
    tekton.faults.garbage = '{"content":[],"totalElements":3}'
    await broadcast("upsert", null)
    await eventually(
      async () => (await config()).tekton.problem,
      (problem) => problem !== null
    )
    assert.strictEqual(await status("later", token), 200)
    tekton.faults.garbage = null
    await broadcast("upsert", "acme")
    await listed("acme", "later", false)
    assert.strictEqual(await status("later", token), 404)
    tekton.put("acme", "later", null)
    await broadcast("upsert", "acme")
    await listed("acme", "later")
  })

  it("one that is made while a reading is under way, and lacks in it, is not gone", async () => {
    const connection = await connectSql(database.url)
    const begun = Date.now()
    const asked = tekton.seen.length
    tekton.faults.delayMs = 600
    await broadcast("upsert", null)
    await eventually(
      () => tekton.seen.length,
      (length) => length > asked
    )
    await connection.query("INSERT INTO applications (app_name, tenant_id, created_at) VALUES ('quick', 'acme', 1)")
    await eventually(
      async () => Date.parse((await config()).tekton.readDate ?? "") || 0,
      (readAt) => readAt > begun,
      { limitMs: 120_000, what: "the reading" }
    )
    tekton.faults.delayMs = 0
    const [row] = await connection.query("SELECT out_of_service FROM applications WHERE app_name = 'quick'")
    assert.isNull(row.out_of_service)
    await connection.end()
    tekton.put("acme", "quick")
  })

  it("an application that moves in Tekton stays where it was, and that is told", async () => {
    manager.put("rival")
    tekton.applications.get("acme")!.delete("lamps")
    tekton.put("rival", "lamps")
    await tenantEvent("updated", "rival")
    await eventually(
      async () => (await config()).refused,
      (refused) =>
        refused.some(({ reason, tenantId }: Record<string, string>) => reason === "moved" && tenantId === "rival")
    )
    assert.isTrue((await applications("acme")).includes("lamps"))
    assert.deepStrictEqual(await applications("rival"), [])
    tekton.applications.get("rival")!.delete("lamps")
    tekton.put("acme", "lamps", { "ep-token": { length: 32, alphabet: "abcdefghij" } })
    await broadcast("upsert", "acme", "lamps")
    await eventually(
      async () => (await config()).applications.find(({ name }: { name: string }) => name === "lamps")?.settings,
      (settings) => settings?.length === 32 && settings.defaultLifetimeMs === null
    )
  })
})

describe("tenants", () => {
  it("one that is new is there with the first request that names it", async () => {
    manager.put("fresh")
    tekton.put("fresh", "fresh-app")
    const answer = await eventually(
      () => client.ask("fresh", "application.list"),
      ({ status }) => status === 200
    )
    assert.strictEqual(answer.status, 200)
    await listed("fresh", "fresh-app")
  })

  it("one that is not available, or not listed, is served on and told", async () => {
    const { token } = await provision("fresh", "fresh-app", "f")
    manager.put("fresh", { status: "UPDATING" })
    await tenantEvent("updated", "fresh")
    await eventually(
      async () => (await config()).refused,
      (refused) => refused.some(({ reason }: { reason: string }) => reason === "not_available")
    )
    assert.strictEqual(await status("fresh-app", token), 200)
    manager.put("fresh", { status: "AVAILABLE" })
  })

  it("one that ends stays ended until it is named again, and then begins anew, empty", async () => {
    const { token } = await provision("fresh", "fresh-app", "g")
    await heat("fresh-app", token)
    await tenantEvent("unregistered", "fresh")
    await eventually(
      () => client.ask("fresh", "application.list"),
      ({ status }) => status === 404
    )
    assert.deepStrictEqual([...new Set(await heat("fresh-app", token))], [404])
    // Still listed, and asked for by a request: ended all the same.
    assert.strictEqual((await client.ask("fresh", "application.list")).status, 404)
    // Not before nothing of it is left: until then it is named and waits.
    await eventually(
      async () => {
        await tenantEvent("updated", "fresh")
        return (await client.ask("fresh", "token.list", { endpointId: "g" })).status
      },
      (status) => status === 200,
      { limitMs: 120_000, everyMs: 500, what: "the tenant beginning anew" }
    )
    const tokens = await client.ask("fresh", "token.list", { endpointId: "g" })
    assert.deepStrictEqual(tokens.body.content, [])
    assert.strictEqual(await status("fresh-app", token), 404)
  })
})

describe("what is configured for a tenant", () => {
  const listedTenant = async (tenantId: string) => {
    const { body } = await client.admin("tenants.list", { limit: 1_000 })
    return body.content.find((one: { tenantId: string }) => one.tenantId === tenantId)
  }

  it("its issuer is the Tenant Manager's, from its first moment on, and nobody else's", async () => {
    const security = { issuer: "http://127.0.0.1:1/secured", audience: "cm" }
    manager.put("secured", { security })
    const first = await eventually(
      () => client.ask("secured", "application.list"),
      ({ status }) => status !== 404
    )
    // Never without: there is no moment in which the bus alone would do.
    assert.deepStrictEqual([first.status, first.code], [401, "UNAUTHENTICATED"])
    assert.deepInclude(await listedTenant("secured"), security)
    manager.put("second", { security })
    await tenantEvent("updated", "second")
    await eventually(
      async () => (await config()).refused,
      (refused) => refused.some(({ reason }: { reason: string }) => reason === "issuer_in_use")
    )
    // Not made without it either: it would be open to whoever the bus lets in.
    assert.strictEqual((await client.ask("second", "application.list")).status, 404)
    assert.isUndefined(await listedTenant("second"))
    const changed = { issuer: "http://127.0.0.1:1/other", audience: "cm" }
    manager.put("secured", { security: changed })
    await tenantEvent("updated", "secured")
    await eventually(
      () => listedTenant("secured"),
      (tenant) => tenant.issuer === changed.issuer
    )
    assert.strictEqual((await client.admin("tenants.resolve", { issuer: changed.issuer })).body.tenantId, "secured")
    assert.strictEqual((await client.admin("tenants.resolve", { issuer: security.issuer })).status, 404)
    const answer = await client.admin("tenants.configure", { tenantId: "acme", name: "x" })
    assert.deepStrictEqual([answer.status, answer.code], [409, "MANAGED_ELSEWHERE"])
  })

  it("its limits are Tekton's, without a restart; a wrong one keeps the last good ones", async () => {
    tekton.tenantConfigs.set("acme", { limits: { batchItems: 3, tokens: 1_000 } })
    await broadcast("upsert", "acme")
    await eventually(
      () => listedTenant("acme"),
      (tenant) => tenant.limits?.batchItems === 3 && tenant.limits.tokens === 1_000
    )
    tekton.tenantConfigs.set("acme", { limits: { batchItems: "many" } })
    await broadcast("upsert", "acme")
    await eventually(
      async () => (await config()).tenants.find(({ name }: { name: string }) => name === "acme"),
      (found) => found?.refused !== null
    )
    assert.strictEqual((await listedTenant("acme")).limits.batchItems, 3)
    tekton.tenantConfigs.delete("acme")
    await broadcast("upsert", "acme")
    await eventually(
      () => listedTenant("acme"),
      (tenant) => tenant.limits?.batchItems === undefined
    )
  })
})

describe("while Tekton and the Tenant Manager are away", () => {
  it("slow, wrong, down or full of garbage, validations go on and revocations hold; a start serves what was known", async () => {
    const { token } = await provision("acme", "meters", "steady")
    const revoked: Array<string> = []
    /** One more is revoked that was in use on both replicas; none of those before comes back. */
    const goesOn = async () => {
      const made = await provision("acme", "meters", `revoked-${revoked.length}`)
      assert.deepStrictEqual([...new Set(await heat("meters", made.token))], [200])
      assert.strictEqual((await client.ask("acme", "token.revoke", { tokenId: made.tokenId })).status, 200)
      revoked.push(made.token)
      for (const gone of revoked) assert.deepStrictEqual([...new Set(await heat("meters", gone))], [410])
      assert.deepStrictEqual([...new Set(await heat("meters", token))], [200])
    }
    for (const system of [tekton, manager]) system.faults.delayMs = 5_000
    await broadcast("upsert", null)
    await goesOn()
    for (const { faults } of [tekton, manager]) Object.assign(faults, { delayMs: 0, status: 500 })
    await broadcast("upsert", "acme")
    await goesOn()
    for (const { faults } of [tekton, manager]) Object.assign(faults, { status: null, garbage: "[]" })
    await broadcast("upsert", null)
    await goesOn()
    await Promise.all([tekton.down(), manager.down()])
    const { keyFile } = services[0]!
    await stop()
    await start(keyFile)
    await goesOn()
    assert.match((await provision("acme", "lamps", "e3")).token, /^[a-j]{32}$/u)
    for (const { faults } of [tekton, manager]) faults.garbage = null
    await Promise.all([tekton.up(), manager.up()])
    tekton.put("acme", "back")
    await eventually(
      () => applications("acme"),
      (names) => names.includes("back"),
      { limitMs: 120_000, what: "reading again once they are back" }
    )
    await goesOn()
  })

  it("tenants that were updated hold up nobody else, and are read when the Tenant Manager is back", async () => {
    const { token } = await provision("acme", "meters", "leaves")
    assert.strictEqual(await status("meters", token), 200)
    await manager.down()
    // More than a replica works on at a time.
    for (let index = 0; index < 40; index++) await tenantEvent("updated", index === 0 ? "awaited" : `other-${index}`)
    const event = { correlationId: "c", timestamp: 1, timeout: 0, appVersionName: "v", originatorReplicaId: "epr" }
    client.nc.publish(
      `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`,
      ecap.UnregisteredEvent.toBuffer({ ...event, endpointId: "leaves" })
    )
    await client.nc.flush()
    await eventually(
      () => status("meters", token),
      (is) => is === 404,
      { limitMs: 120_000, what: "the unregistered endpoint's token being gone" }
    )
    manager.put("awaited")
    await manager.up()
    await eventually(
      async () => (await client.admin("tenants.list", { limit: 1_000 })).body.content,
      (content) => content.some(({ tenantId }: { tenantId: string }) => tenantId === "awaited"),
      { limitMs: 120_000, what: "the updated tenant being read" }
    )
  })

  it("the inbox is kept up with, and a gap is told", async () => {
    const connection = await connectSql(database.url)
    await eventually(
      () => connection.query("SELECT seen_at FROM platform_inbox"),
      (rows) => rows.length === 1,
      { limitMs: 120_000 }
    )
    const heard: Array<string> = []
    client.nc.subscribe(`${instance}.events.v1.global.platform.inbox_gap`, {
      callback: (_, message) => void heard.push(message.string())
    })
    await client.nc.flush()
    // As if nobody had looked for longer than the inbox keeps what waits.
    await connection.query("UPDATE platform_inbox SET seen_at = 1")
    const told = await eventually(
      () => heard,
      ({ length }) => length > 0,
      { limitMs: 120_000 }
    )
    assert.deepInclude(JSON.parse(told[0]!), { eventType: "platform.inbox_gap", reason: "too_old" })
    // One of the replicas looks, and tells it once.
    const claims = await connection.query("SELECT sweep FROM sweep_claims WHERE sweep = 'inbox'")
    assert.lengthOf(claims, 1)
    const [{ seen_at: seenAt }] = await connection.query("SELECT seen_at FROM platform_inbox")
    await eventually(
      () => connection.query("SELECT seen_at FROM platform_inbox"),
      ([row]) => row.seen_at > seenAt,
      { limitMs: 120_000, what: "the next look" }
    )
    await connection.end()
    assert.lengthOf(told, 1)
  })
})
