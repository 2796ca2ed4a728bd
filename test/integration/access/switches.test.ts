// Verifies R-ACC-10.
/** The switches of access, each on a service of its own, with real issuers: `CM_AUTHORIZATION`, `CM_BUS_TRUST`. */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { everyScope, type OidcIssuer, oidcIssuer } from "../../support/oidcIssuer.ts"
import { sampleKeyOf, samples } from "../../support/requestSamples.ts"
import { type Service, startService } from "../../support/service.ts"

let acme: OidcIssuer
let beta: OidcIssuer
let platform: OidcIssuer

const bearer = async (token: string | Promise<string>) => ({ Authorization: `Bearer ${await token}` })
const reason = (answer: Answer) => [answer.status, answer.body.error?.details?.reason]
const told = (answer: Answer) => [answer.status, answer.code]
/** Signed by nobody. */
const forged = (token: string): string => {
  const [header, claims, signature = ""] = token.split(".")
  return `${header}.${claims}.${signature.slice(0, -4)}${signature.endsWith("AAAA") ? "BBBB" : "AAAA"}`
}

beforeAll(async () => {
  ;[acme, beta, platform] = await Promise.all([oidcIssuer(), oidcIssuer(), oidcIssuer()])
})
afterAll(async () => {
  for (const issuer of [acme, beta, platform]) await issuer?.close()
})

interface World {
  readonly database: FreshDatabase
  readonly service: Service
  readonly client: Client
}

/** A service with that environment; tenant `acme` with an issuer, `plain` without one. */
const worldWith = (instance: string, env: Record<string, string>) => {
  const world = {} as { -readonly [name in keyof World]: World[name] }
  beforeAll(async () => {
    world.database = await freshDatabase(inject("databaseUrl"))
    world.service = await startService({
      natsUrl: inject("natsUrl"),
      databaseUrl: world.database.url,
      instance,
      env: { CM_PLATFORM_ISSUER: platform.issuer, CM_PLATFORM_AUDIENCE: platform.audience, ...env }
    })
    world.client = await connectClient({ natsUrl: inject("natsUrl"), instance })
    const staff = await bearer(platform.token(everyScope))
    for (const tenant of [{ tenantId: "acme", issuer: acme.issuer, audience: acme.audience }, { tenantId: "plain" }]) {
      assert.strictEqual((await world.client.admin("tenants.create", tenant, staff)).status, 201)
    }
  })
  afterAll(async () => {
    await world.client?.close()
    await world.service?.stop()
    await world.database?.drop()
  })
  return world
}

/** Every operation of a tenant that needs a bearer token where there is an issuer, with a request that can be read. */
const guarded = operations
  .filter(({ family, name }) => family === "tenant" && !name.startsWith("token.validate"))
  .map((operation) => ({ name: operation.name, body: samples[sampleKeyOf(operation)]?.[0] ?? {} }))
const isLetIn = ({ body, status }: Answer): boolean =>
  status !== 401 && (status !== 403 || body.error.details?.scope === undefined)

describe("CM_AUTHORIZATION=authentication-only", () => {
  const world = worldWith("authonly", { CM_AUTHORIZATION: "authentication-only" })

  it("lets a right token of the tenant without any scope do everything of that tenant", async () => {
    const token = await bearer(acme.token(""))
    for (const { body, name } of guarded) {
      const answer = await world.client.ask("acme", name, body, token)
      assert.isTrue(isLetIn(answer), `${name} ${JSON.stringify(answer.body)}`)
    }
    const app = await world.client.ask("acme", "application.register", { appName: "only" }, token)
    assert.include([200, 201], app.status)
    const made = await world.client.ask("acme", "token.provision", { appName: "only", endpointId: "e" }, token)
    assert.deepStrictEqual([made.status, made.body.createdBy], [201, "bearer:acme/robot"])
  })

  it("asks for the token all the same: nobody's, another tenant's, a forged one and none are refused", async () => {
    const [own, others] = [await acme.token(""), await beta.token(everyScope)]
    for (const { body, name } of guarded) {
      const ask = async (given: Record<string, string>) => reason(await world.client.ask("acme", name, body, given))
      // A consumer is known by its own subject.
      assert.deepStrictEqual(await ask({}), [401, "missing"], name)
      assert.deepStrictEqual(await ask(await bearer(others)), [401, "issuer"], name)
      assert.deepStrictEqual(await ask(await bearer(forged(own))), [401, "signature"], name)
      assert.deepStrictEqual(reason(await world.client.ask("plain", name, body, await bearer(own))), [401, "no_issuer"])
    }
  })

  it("makes nobody a reader of secrets who is not named", async () => {
    const token = await bearer(acme.token(""))
    const stored = await world.client.ask(
      "acme",
      "credential.store",
      { service_name: "closed", type: "api_key", credentials: { api_key: "k" }, allowed_consumers: ["mail"] },
      token
    )
    assert.strictEqual(stored.status, 201)
    assert.deepStrictEqual(told(await world.client.ask("acme", "credential.get", { service_name: "closed" }, token)), [
      403,
      "CONSUMER_NOT_ALLOWED"
    ])
  })

  it("gives the platform to its own staff alone", async () => {
    const asked = async (token: string | Promise<string>) =>
      reason(await world.client.admin("config.show", {}, await bearer(token)))
    assert.deepStrictEqual(await asked(platform.token("")), [200, undefined])
    assert.deepStrictEqual(await asked(acme.token(everyScope)), [401, "issuer"])
  })
})

describe("CM_BUS_TRUST=always", () => {
  const world = worldWith("trustall", { CM_BUS_TRUST: "always" })

  it("takes the bus's word for tenants with an issuer too", async () => {
    for (const tenant of ["acme", "plain"]) {
      for (const { body, name } of guarded) {
        const answer = await world.client.ask(tenant, name, body)
        assert.notStrictEqual(answer.status, 401, `${tenant} ${name} ${JSON.stringify(answer.body)}`)
      }
      const made = await world.client.ask(tenant, "application.register", { appName: `${tenant}-app` })
      assert.strictEqual(made.status, 201)
    }
  })

  it("verifies a token that is sent, and holds it to its scopes", async () => {
    const ask = async (token: string) => world.client.ask("acme", "application.list", {}, await bearer(token))
    assert.deepStrictEqual(reason(await ask(forged(await acme.token(everyScope)))), [401, "signature"])
    assert.deepStrictEqual(reason(await ask(await beta.token(everyScope))), [401, "issuer"])
    assert.deepStrictEqual(told(await ask(await acme.token(""))), [403, "FORBIDDEN"])
    assert.strictEqual((await ask(await acme.token("application:read"))).status, 200)
  })

  it("lets a caller within the service's own account validate only, as everywhere", async () => {
    const message = await world.client.nc.request("trustall.v1.acme.application.list", "{}", { timeout: 60_000 })
    assert.strictEqual(message.headers?.get("Cm-Status"), "403")
  })
})

describe("CM_BUS_TRUST=never", () => {
  const world = worldWith("trustno", { CM_BUS_TRUST: "never" })

  it("takes it for nobody: a tenant without an issuer is managed by the platform's staff alone", async () => {
    for (const tenant of ["acme", "plain"]) {
      for (const { body, name } of guarded) {
        assert.deepStrictEqual(reason(await world.client.ask(tenant, name, body)), [401, "missing"], name)
      }
    }
    const staff = await bearer(platform.token(everyScope))
    const made = await world.client.ask("plain", "application.register", { appName: "staffs" }, staff)
    assert.deepStrictEqual([made.status, made.code], [201, undefined])
    const own = await bearer(acme.token("application:read"))
    assert.strictEqual((await world.client.ask("acme", "application.list", {}, own)).status, 200)
  })

  it("nor for the platform", async () => {
    for (const { name } of operations.filter(({ family }) => family === "admin")) {
      const body = samples[sampleKeyOf({ family: "admin", name })]?.[0] ?? {}
      assert.deepStrictEqual(reason(await world.client.admin(name, body)), [401, "missing"], name)
    }
    const staff = await bearer(platform.token("kaa:service:read"))
    assert.strictEqual((await world.client.admin("health", {}, staff)).status, 200)
  })

  it("and leaves validation, transitions of 16/ECAP and a consumer's reading as they are", async () => {
    const staff = await bearer(platform.token(everyScope))
    await world.client.ask("plain", "application.register", { appName: "staffs" }, staff)
    const made = await world.client.ask("plain", "token.provision", { appName: "staffs", endpointId: "e" }, staff)
    const { token } = made.body
    assert.strictEqual((await world.client.validate("staffs", token)).statusCode, 200)
    const checked = await world.client.ask("plain", "token.validate", { appName: "staffs", token })
    assert.deepStrictEqual([checked.status, checked.body.statusCode], [200, 200])
    assert.strictEqual((await world.client.transition("staffs", token, "Active")).statusCode, 200)
    const credentials = { api_key: "k" }
    const stored = { service_name: "s", type: "api_key", credentials, allowed_consumers: ["mail"] }
    assert.strictEqual((await world.client.ask("plain", "credential.store", stored, staff)).status, 201)
    const read = await world.client.ask("plain", "credential.get.mail", { service_name: "s" })
    assert.deepStrictEqual([read.status, read.body.credentials], [200, credentials])
  })
})
