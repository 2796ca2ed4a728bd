// Verifies R-ACC-4, R-ACC-6.
/** Asking an issuer over HTTP: discovery and keys; bounded in size and time, and never led elsewhere. */
import { Context, Duration, Effect, Exit, Layer, Result, Scope } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { AccessConfig } from "../../../src/access/AccessConfig.ts"
import * as IssuerClient from "../../../src/access/IssuerClient.ts"
import { issuerAddressProblem } from "../../../src/domain/Issuer.ts"
import { type HttpIssuer, httpIssuer, json } from "../../support/httpIssuer.ts"

const keys = { keys: [{ kty: "OKP", crv: "Ed25519", x: "AAAA" }] }
/** Of an issuer that answers; and of one that does not. */
const patientMs = 20_000
const timeoutMs = 300

let issuer: HttpIssuer
let elsewhere: HttpIssuer
beforeEach(async () => {
  issuer = await httpIssuer()
  elsewhere = await httpIssuer(json(keys))
})
afterEach(async () => {
  await issuer.close()
  await elsewhere.close()
})

/** The body, or the reason that it cannot be had. */
const fetchKeys = async (jwksUri: string | null = null, name = issuer.url, waitsMs = patientMs) => {
  const config = { issuerTimeout: Duration.millis(waitsMs), httpInsecure: false } as AccessConfig["Service"]
  const scope = Scope.makeUnsafe()
  const layer = IssuerClient.layer.pipe(Layer.provide(Layer.succeed(AccessConfig, config)))
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const asked = Context.get(context, IssuerClient.IssuerClient).fetchKeys({ issuer: name, audience: "cm", jwksUri })
  const result = await Effect.runPromise(Effect.result(asked))
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return Result.isSuccess(result) ? result.success : result.failure.reason
}
const discovers = (document: unknown, body: unknown = keys) => {
  issuer.answer = (request, response) =>
    json(request.url === "/.well-known/openid-configuration" ? document : body)(request, response)
}

describe("the keys", () => {
  it("are found by discovery, or where they are said to be", async () => {
    discovers({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` })
    assert.deepStrictEqual(await fetchKeys(), keys)
    assert.deepStrictEqual(issuer.asked, ["/.well-known/openid-configuration", "/keys"])
    assert.deepStrictEqual(await fetchKeys(elsewhere.url), keys)
    assert.strictEqual(issuer.asked.length, 2)
  })

  it("are not found by a document of another issuer, nearly the same or not", async () => {
    for (const other of [`${issuer.url}/`, issuer.url.replace("127.0.0.1", "localhost"), "", undefined, [issuer.url]]) {
      discovers({ issuer: other, jwks_uri: `${issuer.url}/keys` })
      assert.strictEqual(await fetchKeys(), "another_issuer")
    }
    for (const document of [null, [], "text"]) {
      discovers(document)
      assert.include(["another_issuer", "garbage"], await fetchKeys())
    }
    discovers({ issuer: issuer.url, jwks_uri: 1 })
    assert.strictEqual(await fetchKeys(), "garbage")
  })

  it("are not asked for where a document says so over plain HTTP, or of another scheme", async () => {
    for (const jwks_uri of ["http://issuer.example/keys", "file:///etc/passwd", "ftp://127.0.0.1/keys", "keys", ""]) {
      discovers({ issuer: issuer.url, jwks_uri })
      assert.strictEqual(await fetchKeys(), "not_asked", jwks_uri)
    }
    assert.strictEqual(await fetchKeys(null, "http://issuer.example"), "not_asked")
    assert.strictEqual(await fetchKeys("http://issuer.example/keys"), "not_asked")
  })

  it("are not looked for behind a redirect", async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      issuer.answer = (_, response) => response.writeHead(status, { location: elsewhere.url }).end()
      assert.strictEqual(await fetchKeys(issuer.url), "status")
    }
    assert.deepStrictEqual(elsewhere.asked, [])
  })
})

describe("an answer", () => {
  it("that is too large is left, however it is sent", async () => {
    issuer.answer = (_, response) => {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write("[".repeat(65_536)));
        if (!response.destroyed) response.once("drain", more)
      }
      more()
    }
    assert.strictEqual(await fetchKeys(issuer.url), "too_large")
  })

  it.each([
    ["never comes", () => undefined, "timeout"],
    ["never ends", (response: { write: (text: string) => void }) => response.write("{"), "timeout"],
    ["breaks off", (response: { destroy: () => void }) => response.destroy(), "unreachable"]
  ] as const)("that %s is given up", async (_, answer, reason) => {
    issuer.answer = (_request, response) => void answer(response)
    const before = performance.now()
    assert.strictEqual(await fetchKeys(issuer.url, issuer.url, reason === "timeout" ? timeoutMs : patientMs), reason)
    assert.isBelow(performance.now() - before, patientMs)
  })

  it("of another status or that is no JSON is no answer", async () => {
    for (const status of [204, 400, 401, 404, 500, 503]) {
      issuer.answer = json(keys, status)
      assert.strictEqual(await fetchKeys(issuer.url), "status")
    }
    for (const text of ["", "{", "<html>", "\xff"]) {
      issuer.answer = (_, response) => response.end(Buffer.from(text, "latin1"))
      assert.strictEqual(await fetchKeys(issuer.url), "garbage", text)
    }
  })

  it("are asked for at so many places at once, and at as many again when those are answered", async () => {
    const config = { issuerTimeout: Duration.millis(patientMs), httpInsecure: false } as AccessConfig["Service"]
    const scope = Scope.makeUnsafe()
    const layer = IssuerClient.layer.pipe(Layer.provide(Layer.succeed(AccessConfig, config)))
    const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
    const client = Context.get(context, IssuerClient.IssuerClient)
    // Refused before anybody is asked: what counts is the place.
    const refused = { issuer: "http://issuer.example", audience: "cm", jwksUri: null }
    for (let n = 0; n < IssuerClient.asksMax + 1; n++) {
      const result = await Effect.runPromise(Effect.result(client.fetchKeys(refused)))
      assert.strictEqual(Result.isFailure(result) && result.failure.reason, "not_asked")
    }
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("of nobody is not waited for", async () => {
    await issuer.close()
    assert.strictEqual(await fetchKeys(issuer.url), "unreachable")
    issuer = await httpIssuer()
  })
})

it("an address is asked over TLS, or on this machine, or when the operator allows more", () => {
  for (const address of [
    "https://a.example",
    "https://a.example:8443/x?y=z",
    "http://127.0.0.1:1/x",
    "http://localhost",
    "http://[::1]:8080/"
  ]) {
    assert.isNull(issuerAddressProblem(address, false), address)
  }
  const refused = [
    "http://a.example",
    "http://127.0.0.1.a.example",
    "http://localhost.a.example",
    "http://10.0.0.1",
    "http://[::2]"
  ]
  for (const address of refused) {
    assert.isNotNull(issuerAddressProblem(address, false), address)
    assert.isNull(issuerAddressProblem(address, true), address)
  }
  for (const address of [
    "",
    "a",
    "ftp://a.example",
    "file:///x",
    "javascript:x",
    "https://u:p@a.example",
    "https://u@a.example",
    "https://a.example#f"
  ]) {
    assert.isNotNull(issuerAddressProblem(address, true), address)
  }
})
