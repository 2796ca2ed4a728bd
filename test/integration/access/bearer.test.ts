// Verifies R-ACC-1, R-ACC-3, R-ACC-4, R-ACC-7, R-ACC-8.
/**
 * Bearer tokens from outside: two replicas, real issuers, one for each tenant. Everything anybody may ask is asked
 * with a stranger's token, with a stranger's ids, without the scope and with it.
 */
import { createCurve } from "@nats-io/nkeys"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { rowOf } from "../../../src/access/Scopes.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { json } from "../../support/httpIssuer.ts"
import { everyScope, type OidcIssuer, oidcIssuer } from "../../support/oidcIssuer.ts"
import { samples as requestSamples, sampleKeyOf } from "../../support/requestSamples.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "acc"
const unknownId = "01939f2c-7a1b-7c3d-8e4f-0123456789ab"
let database: FreshDatabase
let replicas: ReadonlyArray<Service>
let client: Client
let acme: OidcIssuer
let beta: OidcIssuer
let platform: OidcIssuer

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })
const told = (answer: Answer) => [answer.status, answer.code]
const why = (answer: Answer) => [answer.status, answer.body.error?.details]
const unauthenticated = (reason: string) => [401, { reason }]
const ask = async (tenant: string, operation: string, body: unknown, token: string | Promise<string>) =>
  client.ask(tenant, operation, body, bearer(await token))

beforeAll(async () => {
  const issuers = await Promise.all([oidcIssuer(), oidcIssuer(), oidcIssuer()])
  acme = issuers[0]
  beta = issuers[1]
  platform = issuers[2]
  database = await freshDatabase(inject("databaseUrl"))
  const options = {
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: {
      CM_PLATFORM_ISSUER: platform.issuer,
      CM_PLATFORM_AUDIENCE: "cm",
      CM_JWKS_STALE_MAX: "1 minute",
      CM_ISSUER_TIMEOUT: "12 seconds"
    }
  }
  const one = await startService(options)
  const two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  replicas = [one, two]
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 30_000 })
  for (const [tenantId, { audience, issuer }] of [
    ["acme", acme],
    ["beta", beta]
  ] as const) {
    const created = await client.admin("tenants.create", { tenantId, issuer, audience })
    assert.deepStrictEqual([created.status, created.body.issuer, created.body.audience], [201, issuer, "cm"])
  }
})
afterAll(async () => {
  await client?.close()
  await Promise.all(replicas?.map((replica) => replica.stop()) ?? [])
  for (const issuer of [acme, beta, platform]) await issuer?.close()
  await database?.drop()
})

/** What there is in a tenant of its own, made with its token. */
const furnish = async (tenant: "acme" | "beta", issuer: OidcIssuer) => {
  const token = await issuer.token(everyScope)
  const made = async (operation: string, body: unknown, status = 201) => {
    const answer = await ask(tenant, operation, body, token)
    assert.strictEqual(answer.status, status, `${operation} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const appName = `${tenant}-app`
  await made("application.register", { appName })
  const provisioned = await made("token.provision", { appName, endpointId: `${tenant}-e1` })
  await made("token.provision", { appName, endpointId: `${tenant}-e2` })
  const stored = await made("credential.store", {
    service_name: "mail",
    type: "api_key",
    credentials: { api_key: "planted" },
    allowed_consumers: [`bearer:${tenant}/robot`]
  })
  const client = await made("client-credential.create-basic", { username: `${tenant}-user` })
  const revoking = await made("token.revoke-all", { createdBefore: "2020-01-01T00:00:00.000Z" }, 200)
  return {
    tenant,
    appName,
    operationId: revoking.operationId as string,
    endpointId: `${tenant}-e1`,
    tokenId: provisioned.tokenId as string,
    value: provisioned.token as string,
    credentialId: stored.credential_id as string,
    clientCredentialId: client.credentialId as string
  }
}
type Furniture = Awaited<ReturnType<typeof furnish>>

/** A request that is right, about what is there; ids of nobody where `it` has none. */
const samples = (there: Furniture): Readonly<Record<string, unknown>> => {
  const {
    appName,
    clientCredentialId: credentialId,
    credentialId: credential_id,
    endpointId,
    operationId,
    tokenId,
    value: token
  } = there
  return {
    "application.register": { appName: `${there.tenant}-new` },
    "application.list": {},
    "application.remove": { appName },
    "token.provision": { appName, endpointId },
    "token.provision-batch": { appName, items: [{ endpointId }] },
    "token.get": { tokenId },
    "token.list": { endpointId },
    "token.transition": { tokenId, targetStatus: "Active" },
    "token.transition-batch": { tokenIds: [tokenId], targetStatus: "Active" },
    "token.suspend": { tokenId },
    "token.activate": { tokenId },
    "token.revoke": { appName, token },
    "token.revoke-all": { applications: [appName], dryRun: true },
    "token.revoke-all-status": { operationId },
    "token.rotate": { tokenId },
    "token.delete": { tokenId },
    "token.validate": { appName, token },
    "token.validate-batch": { items: [{ appName, token }] },
    "credential.store": { service_name: "chat", type: "api_key", credentials: { api_key: "planted" } },
    "credential.get": { credential_id },
    "credential.describe": { credential_id },
    "credential.list": {},
    "credential.rotate": { credential_id, credentials: { api_key: "planted" } },
    "credential.update": { credential_id, scopes: ["s"] },
    "credential.revoke": { credential_id },
    "credential.history": { credential_id },
    "credential.reconnect": { credential_id, credentials: { api_key: "planted" } },
    "client-credential.create-basic": { username: `${there.tenant}-second` },
    "client-credential.create-certificate": { issuer: `CN=${there.tenant}`, serialNumber: "1" },
    "client-credential.get": { credentialId },
    "client-credential.list": {},
    "client-credential.transition": { credentialId, targetStatus: "Active" },
    "client-credential.suspend": { credentialId },
    "client-credential.activate": { credentialId },
    "client-credential.revoke": { credentialId },
    "client-credential.delete": { credentialId },
    "provider.put": { name: "own", token_url: "https://provider.example.com/token" },
    "provider.get": { name: "own" },
    "provider.list": {},
    "provider.delete": { name: "own" },
    "rotator.put": { name: "own", seal_to: createCurve().getPublicKey() },
    "rotator.get": { name: "own" },
    "rotator.list": {},
    "rotator.delete": { name: "own" },
    "credential.delete": { credential_id },
    "service.list": {},
    "service.enable": { service_name: "mail" },
    "service.disable": { service_name: "chat" },
    "audit.list": {},
    "audit.verify": {}
  }
}
/** Those that take away what the others need come last. */
const late = [
  "provider.delete",
  "rotator.delete",
  "client-credential.revoke",
  "client-credential.delete",
  "token.revoke",
  "token.delete",
  "credential.revoke",
  "credential.delete",
  "application.remove"
]
const tenantOperations = operations
  .filter(({ family }) => family === "tenant")
  .map(({ name }) => name)
  .toSorted((a, b) => late.indexOf(a) - late.indexOf(b))

describe("every operation of a tenant", () => {
  let ofAcme: Furniture
  let ofBeta: Furniture
  const sampleOf = (there: Furniture, name: string): unknown => {
    const body = samples(there)[name]
    assert.isDefined(body, `${name} has no sample here: add one`)
    return body
  }
  const scopeOf = (name: string): string | null => {
    // What exists is judged by its kind; these are of the kind basic, but for a certificate that is made.
    if (name === "client-credential.create-certificate") return "tenant:x509-credentials:create"
    if (name === "client-credential.create-basic") return "tenant:basic-credentials:create"
    if (/^client-credential\.(?:get|list)$/u.test(name)) return "tenant:basic-credentials:read"
    if (name.startsWith("client-credential.")) return "tenant:basic-credentials:update"
    const row = rowOf("tenant", name)
    return row !== undefined && "scope" in row ? row.scope : null
  }
  beforeAll(async () => {
    ofAcme = await furnish("acme", acme)
    ofBeta = await furnish("beta", beta)
  })

  it("is refused with a token of another tenant, as with one of nobody's", async () => {
    const token = await beta.token(everyScope)
    for (const name of tenantOperations) {
      const answer = await ask("acme", name, sampleOf(ofAcme, name), token)
      assert.deepStrictEqual(why(answer), unauthenticated("issuer"), name)
    }
  })

  it("is refused without a token, but for validation", async () => {
    for (const name of tenantOperations) {
      const answer = await client.ask("acme", name, sampleOf(ofAcme, name))
      if (name.startsWith("token.validate")) assert.strictEqual(answer.status, 200, name)
      else assert.deepStrictEqual(why(answer), unauthenticated("missing"), name)
    }
  })

  it("is refused without its scope, which is named with what it is missing on", async () => {
    for (const name of tenantOperations) {
      const own = scopeOf(name)
      if (own === null) continue
      // A list of clients answers the kinds that one may read.
      const alike = name === "client-credential.list" ? [own, "tenant:x509-credentials:read"] : [own]
      const others = everyScope.split(" ").filter((scope) => !alike.includes(scope))
      const answer = await ask("acme", name, sampleOf(ofAcme, name), acme.token(others.join(" ")))
      const resource = name.startsWith("token.revoke-all-")
        ? "tenant-system"
        : name === "application.remove" || name === "token.revoke-all"
          ? `application-${ofAcme.appName}`
          : name.startsWith("token.")
            ? `endpoint-${ofAcme.endpointId}`
            : "tenant-system"
      assert.deepStrictEqual(why(answer), [403, { scope: own, resource }], name)
      assert.strictEqual(answer.code, "FORBIDDEN")
    }
  })

  it("lists the kinds of client credentials that one may read, and says so of the other", async () => {
    const token = acme.token("tenant:x509-credentials:read")
    const listed = async (request: object) => {
      const answer = await ask("acme", "client-credential.list", request, token)
      return answer.status === 200 ? answer.body.content.map(({ kind }: { kind: string }) => kind) : why(answer)
    }
    assert.notInclude(await listed({}), "basic")
    assert.notInclude(await listed({ kind: "certificate" }), "basic")
    const missing = { scope: "tenant:basic-credentials:read", resource: "tenant-system" }
    assert.deepStrictEqual(await listed({ kind: "basic" }), [403, missing])
  })

  it("answers about ids of another tenant as about ids of nobody", async () => {
    const token = await acme.token(everyScope)
    const strangers: Furniture = { ...ofBeta, endpointId: ofAcme.endpointId, appName: ofAcme.appName }
    const nobodys: Furniture = {
      ...strangers,
      tokenId: unknownId,
      value: "nobodys1",
      credentialId: unknownId,
      clientCredentialId: unknownId,
      operationId: unknownId
    }
    const seen = (answer: Answer) =>
      JSON.stringify([answer.status, answer.body.error ?? answer.body.results ?? answer.body])
        .replaceAll(ofBeta.tokenId, unknownId)
        .replaceAll(ofBeta.credentialId, unknownId)
        .replaceAll(ofBeta.clientCredentialId, unknownId)
        .replaceAll(/"correlationId":"[^"]*"/gu, "")
    const ids = /tokenId|credential_id|credentialId|operationId|"token"/u
    for (const name of tenantOperations) {
      if (!ids.test(JSON.stringify(sampleOf(strangers, name)))) continue
      const answers = await Promise.all(
        [strangers, nobodys].map((there) => ask("acme", name, sampleOf(there, name), token))
      )
      assert.strictEqual(seen(answers[0]!), seen(answers[1]!), name)
      assert.notInclude(seen(answers[0]!), "beta", name)
    }
    assert.strictEqual(
      (await ask("beta", "token.get", { tokenId: ofBeta.tokenId }, beta.token(everyScope))).status,
      200
    )
  })

  it("is allowed with its scope, to the tenant's issuer and to the platform's", async () => {
    for (const [there, issuer] of [
      [ofAcme, acme],
      [ofBeta, platform]
    ] as const) {
      for (const name of tenantOperations) {
        const answer = await ask(there.tenant, name, sampleOf(there, name), issuer.token(scopeOf(name) ?? ""))
        if (name === "credential.get" && issuer === platform) {
          assert.deepStrictEqual(told(answer), [403, "CONSUMER_NOT_ALLOWED"])
        } else assert.isBelow(answer.status, 300, `${there.tenant} ${name} ${JSON.stringify(answer.body)}`)
      }
    }
  })
})

describe("every operation of the platform", () => {
  const names = operations.filter(({ family }) => family === "admin").map(({ name }) => name)
  const bodies: Readonly<Record<string, unknown>> = {
    "tenants.create": { tenantId: "acme" },
    "tenants.configure": { tenantId: "nobody" },
    "tenants.remove": { tenantId: "nobody" },
    "tenants.resolve": { issuer: "https://nobody.example" },
    "keys.retire": { keyId: unknownId },
    // Nothing was set aside: 404 for who may ask.
    "outbox.release": { id: 1, action: "drop" }
  }

  it("is not for tenants' tokens, needs its scope on the platform, and is allowed with it", async () => {
    for (const name of names) {
      const row = rowOf("admin", name)
      const scope = row !== undefined && "scope" in row ? row.scope : ""
      const body = bodies[name] ?? requestSamples[sampleKeyOf({ family: "admin", name })]?.[0] ?? {}
      const asked = async (token: Promise<string>) => client.admin(name, body, bearer(await token))
      assert.deepStrictEqual(why(await asked(acme.token(everyScope))), unauthenticated("issuer"), name)
      const others = everyScope.split(" ").filter((other) => other !== scope)
      assert.deepStrictEqual(why(await asked(platform.token(others.join(" ")))), [
        403,
        { scope, resource: "kaa-system" }
      ])
      // Not carried out here: it would end the replica, or wait for another.
      if (["drain", "keys.rotate"].includes(name)) continue
      assert.notInclude([401, 403], (await asked(platform.token(scope))).status, name)
    }
  })
})

describe("permissions", () => {
  it("reach their endpoints and applications, and nothing beside them", async () => {
    const all = await acme.token(everyScope)
    for (const appName of ["first", "second"]) await ask("acme", "application.register", { appName }, all)
    const ids: Array<string> = []
    for (const [appName, endpointId] of [
      ["first", "p1"],
      ["second", "p2"]
    ]) {
      ids.push((await ask("acme", "token.provision", { appName, endpointId }, all)).body.tokenId)
    }
    const [one, two] = ids
    const onEndpoint = await acme.token("", [{ rsname: "endpoint-p1", scopes: ["endpoint:read", "endpoint:update"] }])
    const onApplication = await acme.token("", [
      { rsname: "application-first", scopes: ["endpoint:read", "application:read"] }
    ])
    for (const token of [onEndpoint, onApplication]) {
      assert.strictEqual((await ask("acme", "token.get", { tokenId: one }, token)).status, 200)
      const refused = await ask("acme", "token.get", { tokenId: two }, token)
      assert.deepStrictEqual(why(refused), [403, { scope: "endpoint:read", resource: "endpoint-p2" }])
      assert.deepStrictEqual(told(await ask("acme", "token.get", { tokenId: unknownId }, token)), [
        404,
        "TOKEN_NOT_FOUND"
      ])
      assert.strictEqual((await ask("acme", "token.list", { endpointId: "p1" }, token)).body.content.length, 1)
      assert.strictEqual((await ask("acme", "token.list", { endpointId: "p2" }, token)).status, 403)
      assert.strictEqual((await ask("acme", "token.list", {}, token)).status, 403)
    }
    assert.strictEqual((await ask("acme", "token.list", { appName: "first" }, onApplication)).status, 200)
    const batch = { tokenIds: [one, two], targetStatus: "Active" }
    assert.deepStrictEqual(why(await ask("acme", "token.transition-batch", batch, onEndpoint)), [
      403,
      { scope: "endpoint:update", resource: "endpoint-p2" }
    ])
    const listed = await ask("acme", "application.list", {}, onApplication)
    assert.deepStrictEqual(
      listed.body.content.map(({ appName }: { appName: string }) => appName),
      ["first"]
    )
    assert.strictEqual((await ask("acme", "application.list", {}, onEndpoint)).status, 403)
  })
})

it("a caller is named by its issuer and subject, in the record and in the audit", async () => {
  const token = await acme.token(everyScope)
  await ask("acme", "application.register", { appName: "named" }, token)
  const { body } = await ask("acme", "token.provision", { appName: "named", endpointId: "n1" }, token)
  assert.strictEqual(body.createdBy, "bearer:acme/robot")
  const audit = await ask("acme", "audit.list", { entityId: body.tokenId }, token)
  const [row] = audit.body.content
  assert.deepStrictEqual([row.actor, row.by, row.client], ["bearer:acme/robot", "bearer", "robot"])
})

it("a right bearer on credential.get.<consumer> is the reader, and must be named itself", async () => {
  const token = await acme.token(everyScope)
  const store = (service_name: string, allowed_consumers: ReadonlyArray<string>) =>
    ask(
      "acme",
      "credential.store",
      { service_name, type: "api_key", credentials: { api_key: "k" }, allowed_consumers },
      token
    )
  await store("for-mail", ["mail"])
  await store("for-robot", ["bearer:acme/robot"])
  const get = async (service_name: string, headers: Record<string, string> = {}) =>
    told(await client.ask("acme", "credential.get.mail", { service_name }, headers))
  assert.deepStrictEqual(await get("for-mail"), [200, undefined])
  assert.deepStrictEqual(await get("for-robot"), [403, "CONSUMER_NOT_ALLOWED"])
  assert.deepStrictEqual(await get("for-robot", bearer(token)), [200, undefined])
  assert.deepStrictEqual(await get("for-mail", bearer(token)), [403, "CONSUMER_NOT_ALLOWED"])
  assert.deepStrictEqual(await get("for-mail", bearer("a.b.c")), [401, "UNAUTHENTICATED"])
})

describe("issuers", () => {
  it("belong to one tenant each, are answered and found", async () => {
    const taken = { issuer: acme.issuer, audience: "cm" }
    const configure = (change: object) => client.admin("tenants.configure", { tenantId: "demo", ...change })
    assert.deepStrictEqual(told(await configure(taken)), [409, "ISSUER_IN_USE"])
    assert.deepStrictEqual(told(await configure({ ...taken, issuer: platform.issuer })), [409, "ISSUER_IN_USE"])
    assert.deepStrictEqual(told(await client.admin("tenants.create", { tenantId: "new", ...taken })), [
      409,
      "ISSUER_IN_USE"
    ])
    assert.deepStrictEqual(told(await configure({ issuer: "https://a.example" })), [400, "INVALID_REQUEST"])
    assert.deepStrictEqual(told(await configure({ issuer: "http://a.example", audience: "cm" })), [
      400,
      "INVALID_REQUEST"
    ])
    assert.deepStrictEqual(told(await configure({ audience: "cm" })), [400, "INVALID_REQUEST"])
    assert.deepStrictEqual(told(await client.admin("tenants.configure", { tenantId: "nobody", name: "x" })), [
      404,
      "TENANT_NOT_FOUND"
    ])
    const found = await client.admin("tenants.resolve", { issuer: acme.issuer })
    assert.deepStrictEqual([found.status, found.body], [200, { tenantId: "acme" }])
    assert.deepStrictEqual(told(await client.admin("tenants.resolve", { issuer: "https://a.example" })), [
      404,
      "TENANT_NOT_FOUND"
    ])
    const listed = (await client.admin("tenants.list")).body.content
    assert.strictEqual(listed.find(({ tenantId }: { tenantId: string }) => tenantId === "acme").issuer, acme.issuer)
  })

  it("have limits and a retention beside them, null giving the default back", async () => {
    const configure = async (change: object) =>
      (await client.admin("tenants.configure", { tenantId: "demo", ...change })).body
    const set = await configure({ limits: { tokens: 5, batchItems: 10 }, retention: "P1D", name: "Demo" })
    assert.deepInclude(set, { limits: { tokens: 5, batchItems: 10 }, retention: "PT86400S", name: "Demo" })
    const less = await configure({ limits: { tokens: null }, retention: null })
    assert.deepStrictEqual([less.limits, less.retention, less.name], [{ batchItems: 10 }, undefined, "Demo"])
  })

  it("that change are in force on both replicas when that is answered, twenty times", async () => {
    const token = { old: await acme.token(everyScope), new: await beta.token(everyScope) }
    await client.admin("tenants.create", { tenantId: "moving" })
    await client.admin("tenants.configure", { tenantId: "acme", issuer: null })
    await client.admin("tenants.configure", { tenantId: "beta", issuer: null })
    /** Several requests at once, so that each replica has some. */
    const answers = async (headers: Record<string, string>) => {
      const all = await Promise.all(
        Array.from({ length: 8 }, () => client.ask("moving", "application.list", {}, headers))
      )
      return Array.from(new Set(all.map((answer) => answer.body.error?.details.reason ?? answer.status)))
    }
    const configure = async (issuer: OidcIssuer | null) => {
      const change = issuer === null ? { issuer: null } : { issuer: issuer.issuer, audience: "cm" }
      const answer = await client.admin("tenants.configure", { tenantId: "moving", ...change })
      assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    }
    for (let round = 0; round < 20; round++) {
      const [from, to] = round % 2 === 0 ? ([acme, beta] as const) : ([beta, acme] as const)
      const [old, next] = round % 2 === 0 ? [token.old, token.new] : [token.new, token.old]
      await configure(from)
      assert.deepStrictEqual(await answers(bearer(old)), [200])
      await configure(to)
      assert.deepStrictEqual(await answers(bearer(old)), ["issuer"])
      assert.deepStrictEqual(await answers(bearer(next)), [200])
      assert.deepStrictEqual(await answers({}), ["missing"])
      await configure(null)
      assert.deepStrictEqual(await answers(bearer(next)), ["no_issuer"])
      assert.deepStrictEqual(await answers({}), [200])
    }
    for (const [tenantId, { issuer }] of [
      ["acme", acme],
      ["beta", beta]
    ] as const) {
      assert.strictEqual((await client.admin("tenants.configure", { tenantId, issuer, audience: "cm" })).status, 200)
    }
  })

  it("that change while a token is being judged by the old one's keys are judged anew", async () => {
    const slow = await oidcIssuer()
    const token = await slow.token(everyScope)
    const configure = (change: object) => client.admin("tenants.configure", { tenantId: "slow", ...change })
    await client.admin("tenants.create", { tenantId: "slow", issuer: slow.issuer, audience: "cm" })
    const release = slow.hold()
    const waiting = Array.from({ length: 8 }, () => ask("slow", "application.list", {}, token))
    assert.strictEqual((await configure({ issuer: "https://other.example", audience: "cm" })).status, 200)
    release()
    for (const answer of await Promise.all(waiting)) assert.strictEqual(answer.status, 401)
    await configure({ issuer: null })
    await slow.close()
  })

  it("that rotate their keys are followed", async () => {
    const old = await acme.token(everyScope)
    assert.strictEqual((await ask("acme", "application.list", {}, old)).status, 200)
    await acme.rotateKeys()
    const next = await acme.token(everyScope)
    // Often enough that no replica is passed over: later the issuer is away, and each must have heard its keys.
    for (let index = 0; index < 32; index++) {
      assert.strictEqual((await ask("acme", "application.list", {}, next)).status, 200)
    }
    await eventually(
      async () => why(await ask("acme", "application.list", {}, old)),
      ([status]) => status === 401,
      { what: "the old key being dropped" }
    )
  })

  it("that are away, slow, huge or talk garbage cost their own tenant only, and nobody once they were heard", async () => {
    const [ofAcme, ofBeta] = [await acme.token(everyScope), await beta.token(everyScope)]
    const lonely = await oidcIssuer()
    const ofLonely = await lonely.token(everyScope)
    const silent = () => undefined
    for (const [index, answer] of [
      json({}, 503),
      json({ issuer: lonely.issuer, jwks_uri: `${acme.issuer}/jwks`, x: "y".repeat(300_000) }),
      json({ keys: "none" }),
      silent
    ].entries()) {
      lonely.answer = answer
      const tenantId = `lonely${index}`
      await client.admin("tenants.create", { tenantId, issuer: lonely.issuer, audience: "cm" })
      let isOver = false
      const waiting = ask(tenantId, "application.list", {}, ofLonely).finally(() => {
        isOver = true
      })
      for (let times = 0; times < 10; times++) {
        assert.strictEqual((await ask("beta", "application.list", {}, ofBeta)).status, 200)
      }
      // Nobody waited for the one that says nothing.
      if (answer === silent) assert.isFalse(isOver)
      const refused = await waiting
      assert.deepStrictEqual([refused.status, refused.body.error.details.part], [503, "issuer"])
      await client.admin("tenants.configure", { tenantId, issuer: null })
    }
    await lonely.close()
    // What was heard before counts while it is away.
    for (let times = 0; times < 32; times++) await ask("acme", "application.list", {}, ofAcme)
    acme.answer = json({}, 500)
    for (let times = 0; times < 32; times++) {
      assert.strictEqual((await ask("acme", "application.list", {}, ofAcme)).status, 200)
    }
    acme.answer = null
  })
})

it("no replica's log holds a token", async () => {
  const token = await acme.token(everyScope)
  await ask("acme", "application.list", {}, token)
  for (const { output } of replicas) {
    assert.notInclude(output(), "eyJ")
    assert.notInclude(output(), token.slice(-40))
  }
})
