// Verifies R-REF-19.
/**
 * A provider that this project did not write, with rotation and reuse detection on: grants that a person's
 * authorization really made, refreshed by two replicas at once, one of which is killed in between. A spent
 * refresh token that was used again would revoke its grant.
 */
import { randomUUID } from "node:crypto"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose"
import Provider from "oidc-provider"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "rfo"
const redirect = "https://app.example/back"
// Characters that the form encoding of RFC 6749, 2.3.1, changes.
const secret = "a secret: of +the/tests=&%"
const methods = { basic: "client_secret_basic", post: "client_secret_post", key: "private_key_jwt" } as const
type Method = keyof typeof methods

let database: FreshDatabase
let server: Server
let issuer: string
let clientKey: JWK
let client: Client
let replicas: Array<Service> = []
const told: Array<string> = []
let startReplica: (replica: string) => Promise<Service>

/** A browser that follows what the provider says, with its cookies. */
const browser = () => {
  const cookies = new Map<string, string>()
  return async (url: string, form?: Record<string, string>): Promise<URL> => {
    const answer = await fetch(url, {
      method: form === undefined ? "GET" : "POST",
      redirect: "manual",
      headers: {
        cookie: Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; "),
        ...(form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" })
      },
      ...(form === undefined ? {} : { body: new URLSearchParams(form) })
    })
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ""] = line.split(";")
      cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1))
    }
    const to = answer.headers.get("location")
    if (to === null)
      throw new Error(`the provider led nowhere: ${answer.status} ${(await answer.text()).slice(0, 500)}`)
    return new URL(to, issuer)
  }
}

/** A person logs in and consents; the code is exchanged for what the service is given. */
const authorize = async (name: Method): Promise<Record<string, string>> => {
  const go = browser()
  const query = new URLSearchParams({
    client_id: name,
    redirect_uri: redirect,
    response_type: "code",
    scope: "openid offline_access",
    prompt: "consent"
  })
  let at = await go(`${issuer}/auth?${query}`)
  for (const form of [{ prompt: "login", login: "somebody", password: "any" }, { prompt: "consent" }]) {
    at = await go((await go(at.href, form)).href)
  }
  const code = at.searchParams.get("code")
  if (code === null) throw new Error(`no code: ${at.href}`)
  const answer = await asClient("token", name, { grant_type: "authorization_code", code, redirect_uri: redirect })
  const given = (await answer.json()) as Record<string, string>
  assert.isString(given.refresh_token, JSON.stringify(given))
  return { access_token: given.access_token!, refresh_token: given.refresh_token! }
}

/** A request of the client's own, with the manner that the provider knows it by. */
const asClient = async (path: string, name: Method, form: Record<string, string>): Promise<Response> => {
  const body = new URLSearchParams(form)
  const headers: Record<string, string> = {}
  if (name === "basic") {
    const encoded = new URLSearchParams([["", secret]]).toString().slice(1)
    headers.authorization = `Basic ${Buffer.from(`basic:${encoded}`).toString("base64")}`
  } else if (name === "post") {
    body.set("client_id", name)
    body.set("client_secret", secret)
  } else {
    const jwt = new SignJWT({ iss: name, sub: name, aud: issuer, jti: randomUUID() })
      .setProtectedHeader({ alg: "ES256", kid: "client" })
      .setIssuedAt()
      .setExpirationTime("1m")
    body.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    body.set("client_assertion", await jwt.sign(await importJWK(clientKey, "ES256")))
  }
  return fetch(`${issuer}/${path}`, { method: "POST", headers, body })
}

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const pair = await generateKeyPair("ES256", { extractable: true })
  clientKey = { ...(await exportJWK(pair.privateKey)), kid: "client", alg: "ES256" }
  const publicKey = { ...(await exportJWK(pair.publicKey)), kid: "client", alg: "ES256", use: "sig" }
  const signing = await generateKeyPair("ES256", { extractable: true })
  const own = { ...(await exportJWK(signing.privateKey)), kid: "k1", use: "sig", alg: "ES256" }
  let handle: ReturnType<Provider["callback"]> = () => Promise.resolve()
  server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    jwks: { keys: [own] },
    clients: (Object.keys(methods) as ReadonlyArray<Method>).map((name) => ({
      client_id: name,
      ...(name === "key"
        ? { jwks: { keys: [publicKey] }, token_endpoint_auth_signing_alg: "ES256" }
        : { client_secret: secret }),
      token_endpoint_auth_method: methods[name],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      redirect_uris: [redirect],
      id_token_signed_response_alg: "ES256"
    })),
    cookies: { keys: ["a key of the tests"] },
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    issueRefreshToken: () => true,
    rotateRefreshToken: () => true,
    pkce: { required: () => false },
    ttl: {
      AccessToken: 3_600,
      RefreshToken: 86_400,
      Grant: 86_400,
      Session: 86_400,
      Interaction: 3_600,
      IdToken: 3_600
    },
    features: { devInteractions: { enabled: true }, revocation: { enabled: true, allowedPolicy: () => true } }
  } as unknown as ConstructorParameters<typeof Provider>[1])
  provider.on("grant.revoked", () => told.push("grant.revoked"))
  provider.on("grant.error", (_: unknown, error: Error) => told.push(`grant.error ${error.message}`))
  handle = provider.callback()

  const options = {
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: {
      CM_REFRESH_CLAIM: "5 seconds",
      CM_REFRESH_INTERVAL: "200 millis",
      CM_PROVIDER_HOSTS_ALLOWED: new URL(issuer).host
    }
  }
  const one = await startService(options)
  startReplica = (replica) => startService({ ...options, replica, keyFile: one.keyFile })
  replicas = [one, await startReplica("two")]
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 25_000 })
}, 300_000)
afterAll(async () => {
  await client?.close()
  await Promise.all(replicas.map((replica) => replica.stop()))
  server?.closeAllConnections()
  server?.close()
  await database?.drop()
})

const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)
const definitions: Readonly<Record<Method, object>> = {
  basic: { client_auth: "basic_encoded", client_id: "basic", client_secrets: ["not this one", secret] },
  post: { client_auth: "post", client_id: "post", client_secrets: [secret] },
  key: { client_auth: "private_key_jwt", client_id: "key", assertion_audience: "issuer" }
}
const connect = async (name: Method): Promise<string> => {
  const put = await ask("provider.put", {
    name,
    token_url: `${issuer}/token`,
    revoke_url: `${issuer}/token/revocation`,
    issuer,
    refresh_tokens: "rotate",
    reuse: "revoke_family",
    rate_per_minute: 10_000,
    ...definitions[name],
    ...(name === "key" ? { client_key: clientKey } : {})
  })
  assert.include([200, 201], put.status, JSON.stringify(put.body))
  const stored = await ask("credential.store", {
    service_name: `svc-${name}-${randomUUID().slice(0, 8)}`,
    type: "oauth",
    credentials: await authorize(name),
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    allowed_consumers: ["mail"],
    rotation: { provider: name }
  })
  assert.strictEqual(stored.status, 201, JSON.stringify(stored.body))
  return stored.body.credential_id as string
}
const secretOf = async (id: string) =>
  (await ask("credential.get.mail", { credential_id: id })).body.credentials as Record<string, string>
const rotated = async (id: string): Promise<void> => {
  const answer = await ask("credential.rotate", { credential_id: id })
  assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
}
/** What the server gave to a replica that was just killed is answered by nobody: whoever asked asks again. */
const rotatedInTheEnd = (id: string) =>
  eventually(
    () => ask("credential.rotate", { credential_id: id }),
    ({ status }) => status !== 503,
    { limitMs: 120_000, what: "an answer" }
  ).then(({ body, status }) => assert.strictEqual(status, 200, JSON.stringify(body)))

describe("a grant of oidc-provider", () => {
  it.each(Object.keys(methods) as ReadonlyArray<Method>)(
    "is refreshed again and again by two replicas at once, by a client of the kind %s",
    async (name) => {
      const id = await connect(name)
      const seen = new Set<string>()
      for (let round = 0; round < 8; round++) {
        await Promise.all(Array.from({ length: 6 }, () => rotated(id)))
        const { refresh_token } = await secretOf(id)
        assert.isFalse(seen.has(refresh_token!))
        seen.add(refresh_token!)
      }
      assert.notInclude(told, "grant.revoked")
    },
    300_000
  )

  it("outlives the replicas that hold it, and no spent token is ever used", async () => {
    const ids = await Promise.all((Object.keys(methods) as ReadonlyArray<Method>).map(connect))
    const before = told.filter((one) => !one.includes("invalid_client")).length
    for (let kill = 0; kill < 3; kill++) {
      await Promise.all(ids.flatMap((id) => [rotated(id), rotated(id), rotated(id)]))
      const [gone, ...rest] = replicas
      gone!.kill("SIGKILL")
      await gone!.exited
      replicas = rest
      await Promise.all(ids.flatMap((id) => [rotatedInTheEnd(id), rotatedInTheEnd(id)]))
      replicas.push(await startReplica(`after${kill}`))
    }
    assert.strictEqual(told.filter((one) => !one.includes("invalid_client")).length, before, told.join("\n"))
    for (const id of ids) await rotated(id)
  }, 300_000)

  it("is dead there when it was revoked with the provider", async () => {
    for (const name of Object.keys(methods) as ReadonlyArray<Method>) {
      const id = await connect(name)
      const { refresh_token = "" } = await secretOf(id)
      const answer = await ask("credential.revoke", { credential_id: id, at_provider: true })
      assert.deepInclude(answer.body, { success: true, details: { at_provider: "revoked" } }, name)
      const used = await asClient("token", name, { grant_type: "refresh_token", refresh_token })
      assert.deepInclude(await used.json(), { error: "invalid_grant" }, name)
    }
  }, 300_000)

  it("that somebody else has used asks for a person", async () => {
    const id = await connect("post")
    const { refresh_token = "" } = await secretOf(id)
    assert.strictEqual((await asClient("token", "post", { grant_type: "refresh_token", refresh_token })).status, 200)
    const answer = await ask("credential.rotate", { credential_id: id })
    assert.deepStrictEqual([answer.status, answer.code], [409, "RECONNECT_NEEDED"])
    const credentials = await authorize("post")
    const expires_at = new Date(Date.now() + 3_600_000).toISOString()
    assert.strictEqual((await ask("credential.reconnect", { credential_id: id, credentials, expires_at })).status, 200)
    await rotated(id)
  }, 300_000)
})
