// Verifies R-REF-19.
/** What a client that signs says of itself to a provider (RFC 7523, section 3), each time anew. */
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import { createLocalJWKSet, exportJWK, generateKeyPair, type JWK, jwtVerify } from "jose"
import { afterAll, assert, beforeAll, it } from "vitest"
import type { ProviderInForce } from "../../../src/actors/credentials/Providers.ts"
import { type ProviderFields, providerOf } from "../../../src/domain/Provider.ts"
import { exchange, revokeToken } from "../../../src/rotation/Exchange.ts"

let server: Server
let base: string
const heard: Array<{ readonly path: string; readonly assertion: string }> = []

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const body = new URLSearchParams(Buffer.concat(chunks).toString())
      heard.push({ path: request.url ?? "", assertion: body.get("client_assertion") ?? "" })
      response.writeHead(200, { "content-type": "application/json" }).end('{"access_token":"a","refresh_token":"r"}')
    })
  })
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

/** By the database's clock: this machine's own is another one. */
const now = 1_700_000_000_000

const keys = async (alg: string, more: Partial<JWK>) => {
  const pair = await generateKeyPair(alg, { extractable: true })
  const publicKey = { ...(await exportJWK(pair.publicKey)), ...more }
  return { key: JSON.stringify({ ...(await exportJWK(pair.privateKey)), ...more }), publicKey }
}

/** Asks once, and reads what was signed. */
const signed = async (fields: Partial<ProviderFields>, alg = "ES256", more: Partial<JWK> = {}, revokes = false) => {
  const { key, publicKey } = await keys(alg, more)
  const definition = {
    name: "p",
    token_url: `${base}/{realm}/token`,
    ...fields,
    client_auth: "private_key_jwt" as const
  }
  const provider = providerOf(definition)
  const asking = {
    known: { clientId: "our-client", secrets: { clientSecrets: [], clientKey: key } } as unknown as ProviderInForce,
    provider,
    rotation: { provider: "p", params: { realm: "one" } },
    secret: { refresh_token: "old" },
    guard: { allowedHosts: new Set([new URL(base).host]), timeoutMs: 10_000 },
    again: Effect.succeed(true),
    now: Effect.succeed(now)
  }
  const asked = await Effect.runPromise(
    revokes ? revokeToken(asking, `${base}/{realm}/revoke`) : exchange({ ...asking, scopes: [] })
  )
  assert(asked?.outcome._tag === "Answer")
  assert.strictEqual(asked.outcome.raw.receivedAt, now)
  const { assertion, path } = heard.at(-1)!
  const options = { currentDate: new Date(now) }
  const { payload, protectedHeader } = await jwtVerify(assertion, createLocalJWKSet({ keys: [publicKey] }), options)
  return { path, payload, protectedHeader }
}

it("an assertion is for the token endpoint, or for the issuer where the entry says so and names one", async () => {
  const token = `${base}/one/token`
  const issuer = "https://issuer.example/realms/one"
  for (const [fields, audience] of [
    [{}, token],
    [{ issuer }, token],
    [{ issuer, assertion_audience: "token_url" }, token],
    [{ issuer, assertion_audience: "issuer" }, issuer],
    [{ assertion_audience: "issuer" }, token]
  ] as const) {
    const { path, payload } = await signed(fields)
    assert.deepStrictEqual([path, payload.aud], ["/one/token", audience], JSON.stringify(fields))
  }
  // Who revokes is known by the same one: an endpoint for that is no audience of its own.
  const revoked = await signed({}, "ES256", {}, true)
  assert.deepStrictEqual([revoked.path, revoked.payload.aud], ["/one/revoke", token])
})

it("an assertion says who asks, for a minute, and is another one each time", async () => {
  const one = await signed({})
  const { exp = 0, iat = 0, iss, sub } = one.payload
  assert.deepStrictEqual([iss, sub, exp - iat, iat], ["our-client", "our-client", 60, now / 1_000])
  assert.isString(one.payload.jti)
  assert.notStrictEqual((await signed({})).payload.jti, one.payload.jti)
})

it("an assertion is signed as the key is, and names it where it has a name", async () => {
  for (const alg of ["ES256", "RS256", "EdDSA"]) {
    assert.deepStrictEqual((await signed({}, alg)).protectedHeader, { alg })
    const named = await signed({}, alg, { kid: "k-1" })
    assert.deepStrictEqual(named.protectedHeader, { alg, kid: "k-1" })
  }
  assert.strictEqual((await signed({}, "PS256", { alg: "PS256" })).protectedHeader.alg, "PS256")
})
