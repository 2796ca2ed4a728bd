// Verifies R-PLT-5, R-PLT-6.
/** Both clients against the stand-ins: strict servers over real HTTP that can be slow, wrong, large or down. */
import { ConfigProvider, Context, Duration, Effect, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { afterEach, assert, describe, it } from "vitest"
import { httpAddressProblem } from "../../../src/domain/HttpAddress.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import * as ClientCredentials from "../../../src/platform/ClientCredentials.ts"
import { PlatformConfig } from "../../../src/platform/PlatformConfig.ts"
import { Tekton } from "../../../src/platform/Tekton.ts"
import { TenantManager } from "../../../src/platform/TenantManager.ts"
import { startTekton } from "../../support/standIns/tekton.ts"
import { startTenantManager } from "../../support/standIns/tenantManager.ts"

const stops: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

const limits = { CM_PLATFORM_TIMEOUT: "500 millis", CM_PLATFORM_ANSWER_BYTES_MAX: "65536" }
const build = async (environment: Record<string, string>) => {
  const scope = Scope.makeUnsafe()
  const parts = Layer.mergeAll(
    PlatformConfig.layer.pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ ...limits, ...environment })))
    ),
    Layer.succeed(Replica, replicaOf("cm", "one"))
  )
  const layer = Layer.mergeAll(Tekton.layer, TenantManager.layer).pipe(Layer.provideMerge(parts))
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  stops.push(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return { tekton: Context.get(context, Tekton).client!, tenants: Context.get(context, TenantManager).client! }
}
const world = async () => {
  const tekton = await startTekton({ instance: "cm" })
  const manager = await startTenantManager()
  stops.push(tekton.stop, manager.stop)
  return { tekton, manager, clients: await build({ ...tekton.environment, ...manager.environment }) }
}
const run = Effect.runPromise
const reasonOf = async (effect: Effect.Effect<unknown, { readonly reason: string }>) =>
  (await run(Effect.flip(effect))).reason

describe("the Tenant Manager", () => {
  it("is read page by page, whole, with one token", async () => {
    const { clients, manager } = await world()
    for (let index = 0; index < 120; index++) manager.put(`t${index}`)
    const found = await run(clients.tenants.tenants)
    assert.strictEqual(found.length, 120)
    assert.deepStrictEqual(found[7], {
      tenantId: "t7",
      realmName: "t7",
      backendClientId: "backend",
      status: "AVAILABLE"
    })
    assert.strictEqual(manager.tokensIssued(), 1)
    assert.deepStrictEqual(manager.refusals, [])
  })
  it("says whose tokens a tenant believes: its own, else Keycloak's", async () => {
    const { manager } = await world()
    const { tenants } = await build({ ...manager.environment, CM_KEYCLOAK_URL: "http://127.0.0.1:1/" })
    manager.put("a", { security: { issuer: "https://i/a", audience: "cm", jwks_uri: "https://i/a/keys" } })
    manager.put("b", { realmName: "realm b" })
    const [a, b] = await run(tenants.tenants)
    assert.deepStrictEqual(await run(tenants.issuerOf(a!)), {
      issuer: "https://i/a",
      audience: "cm",
      jwksUri: "https://i/a/keys"
    })
    assert.deepStrictEqual(await run(tenants.issuerOf(b!)), {
      issuer: "http://127.0.0.1:1/auth/realms/realm%20b",
      audience: "backend",
      jwksUri: null
    })
  })
  it("gets another token when the one it has is refused, and asks for one only once at a time", async () => {
    const { clients, manager } = await world()
    manager.put("a")
    await run(clients.tenants.tenants)
    manager.forgetTokens()
    await run(Effect.all([clients.tenants.tenants, clients.tenants.tenants], { concurrency: 2 }))
    assert.isAtMost(manager.tokensIssued(), 3)
    const fresh = await world()
    const eight = Array.from({ length: 8 }, () => fresh.clients.tenants.tenants)
    await run(Effect.all(eight, { concurrency: 8 }))
    assert.strictEqual(fresh.manager.tokensIssued(), 1)
  })
  it("is asked for one token for all who were refused with the same one, however late they were told", async () => {
    const { manager } = await world()
    const { client, tokenUrl } = manager
    const settings = { tokenUrl, clientId: client.id, clientSecret: Option.some(Redacted.make(client.secret)) }
    const { refused, token } = await run(
      ClientCredentials.make({
        system: "tenant manager",
        client: { ...settings, clientSecretFile: "" },
        scope: "kaa:tenant:read",
        limits: { timeout: Duration.seconds(5), bytesMax: 65_536 }
      })
    )
    const first = await run(token)
    await run(refused(first))
    const second = await run(token)
    assert.notStrictEqual(second, first)
    await run(refused(first))
    assert.strictEqual(await run(token), second)
    assert.strictEqual(manager.tokensIssued(), 2)
  })
  it("gives a token to who waits for it, though who asked for it has given up", async () => {
    const { clients, manager } = await world()
    manager.put("a")
    const [first, second] = [Effect.runFork(clients.tenants.tenants), Effect.runFork(clients.tenants.tenants)]
    await run(Fiber.interrupt(first))
    assert.lengthOf(await run(Fiber.join(second)), 1)
  })
  it("fails typed when it is slow, down, wrong, too long or full of garbage, and works again afterwards", async () => {
    const { clients, manager } = await world()
    manager.put("a")
    const { faults } = manager
    const { tenants } = clients.tenants
    await run(tenants)
    const cases: ReadonlyArray<readonly [string, () => void, () => void]> = [
      ["TimedOut", () => (faults.delayMs = 5_000), () => (faults.delayMs = 0)],
      ["Unreachable", () => (faults.broken = true), () => (faults.broken = false)],
      ["Refused", () => (faults.status = 500), () => (faults.status = null)],
      ["Denied", () => (faults.status = 403), () => (faults.status = null)],
      ["Refused", () => (faults.status = 302), () => (faults.status = null)],
      ["TooLong", () => (faults.paddingBytes = 70_000), () => (faults.paddingBytes = 0)],
      ["Malformed", () => (faults.garbage = "<html>"), () => (faults.garbage = null)],
      ["Malformed", () => (faults.garbage = '{"count":1,"results":[{"id":7}]}'), () => (faults.garbage = null)],
      ["Malformed", () => (faults.garbage = '{"count":3,"results":[]}'), () => (faults.garbage = null)],
      ["Malformed", () => (faults.garbage = '{"results":[]}'), () => (faults.garbage = null)]
    ]
    for (const [reason, begin, end] of cases) {
      begin()
      assert.strictEqual(await reasonOf(tenants), reason)
      end()
      assert.lengthOf(await run(tenants), 1)
    }
    await manager.down()
    assert.strictEqual(await reasonOf(tenants), "Unreachable")
    await manager.up()
    assert.lengthOf(await run(tenants), 1)
  })
  it("a client that gets no token says so, without its secret", async () => {
    const { manager } = await world()
    const { tenants } = await build({ ...manager.environment, CM_TENANT_MANAGER_CLIENT_SECRET: "wrong-planted" })
    const error = await run(Effect.flip(tenants.tenants))
    assert.strictEqual(error.reason, "Denied")
    assert.notInclude(JSON.stringify(error) + String(error), "planted")
  })
})

describe("Tekton", () => {
  it("is asked for what is whose and what is configured, and unknown names are null", async () => {
    const { clients, tekton } = await world()
    tekton.put("acme", "app", { "ep-token": { length: 12 } })
    tekton.put("acme", "bare", null)
    tekton.tenantConfigs.set("acme", { limits: { tokens: 3 } })
    assert.deepStrictEqual(await run(clients.tekton.applicationsOf("acme")), ["app", "bare"])
    assert.deepStrictEqual(await run(clients.tekton.applicationsOf("other")), [])
    assert.deepStrictEqual(Array.from((await run(clients.tekton.appConfigs)).keys()), ["app"])
    assert.deepInclude(await run(clients.tekton.appConfig("app")), { "ep-token": { length: 12 } })
    assert.isNull(await run(clients.tekton.appConfig("bare")))
    assert.deepStrictEqual(await run(clients.tekton.tenantConfig("acme")), { limits: { tokens: 3 } })
    assert.isNull(await run(clients.tekton.tenantConfig("other")))
    assert.deepStrictEqual(tekton.refusals, [])
  })
  it("a list in pages is read whole", async () => {
    const { clients, tekton } = await world()
    tekton.paging.size = 7
    for (let index = 0; index < 20; index++) tekton.put("acme", `app-${String(index).padStart(2, "0")}`)
    assert.lengthOf(await run(clients.tekton.applicationsOf("acme")), 20)
  })
  it("half of an answer is none", async () => {
    const { clients, tekton } = await world()
    for (const garbage of [
      '{"content":[],"totalElements":2}',
      '{"content":[{"name":"a"},{"name":"a"}],"totalElements":2}',
      '{"content":[{"name":"a"}],"totalElements":0}',
      '{"content":[{}],"totalElements":1}',
      "[]"
    ]) {
      tekton.faults.garbage = garbage
      assert.strictEqual(await reasonOf(clients.tekton.applicationsOf("acme")), "Malformed")
    }
    for (const garbage of [
      '{"epr":{"kaa":{"applications":{}}}}',
      "[]",
      '{"cm":{"kaa":{"applications":{"a":[]}}}}',
      '{"cm":{"kaa":{}}}',
      '{"cm":{"kaa":{"applications":{"a":1}}}}'
    ]) {
      tekton.faults.garbage = garbage
      assert.strictEqual(await reasonOf(clients.tekton.appConfigs), "Malformed")
    }
  })
})

describe("addresses and tokens", () => {
  it("a system without TLS is asked on this machine only, unless that is allowed", () => {
    assert.isNull(httpAddressProblem("https://tekton", false))
    assert.isNull(httpAddressProblem("http://127.0.0.1:80/x", false))
    assert.isNull(httpAddressProblem("http://[::1]:80", false))
    assert.isNull(httpAddressProblem("http://tekton", true))
    for (const address of ["http://tekton", "http://127.0.0.1.evil.org", "ftp://localhost", "x", "https://u:p@host"]) {
      assert.isNotNull(httpAddressProblem(address, false))
    }
  })
  it.each([
    [{ CM_TEKTON_ENABLED: "true" }, /CM_TEKTON_URL has no TLS/u],
    [{ CM_TEKTON_ENABLED: "true", CM_TEKTON_URL: "https://t" }, /CM_TEKTON_TOKEN_URL must be given/u],
    [{ CM_TENANT_MANAGER_URL: "http://manager" }, /CM_TENANT_MANAGER_URL has no TLS/u],
    [
      {
        CM_TENANT_MANAGER_URL: "https://m",
        CM_TENANT_MANAGER_TOKEN_URL: "https://m/t",
        CM_TENANT_MANAGER_CLIENT_ID: "x"
      },
      /CM_TENANT_MANAGER_CLIENT_SECRET or CM_TENANT_MANAGER_CLIENT_SECRET_FILE must be given/u
    ]
  ])("%j stops the start, and says why", async (environment, says) => {
    const error = await build(environment as Record<string, string>).then(
      () => "built",
      (error: Error) => `${error.message}`
    )
    assert.match(error, says)
  })
  it("a token is renewed before its end, and a short one after half of its life", () => {
    assert.strictEqual(ClientCredentials.renewAtOf(0, 300), 270_000)
    assert.strictEqual(ClientCredentials.renewAtOf(0, 20), 10_000)
    assert.strictEqual(ClientCredentials.renewAtOf(1_000, undefined), 31_000)
  })
})
