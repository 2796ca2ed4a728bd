// Verifies R-REF-6 R-REF-7 R-REF-13.
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { PutProvider } from "../../../../src/actors/credentials/Providers.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import type { InvalidRequest } from "../../../../src/domain/errors.ts"
import { servicePrincipal } from "../../../../src/domain/Principal.ts"
import { providersMax } from "../../../../src/domain/ProviderEntry.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

const caller: Caller = { ...servicePrincipal("sweep"), correlationId: "c", idempotency: null }

describe("the lane of a client at a provider", () => {
  it.effect("is one for all who have it, and stays when the fingerprint key is another one", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const laneAt = (replica: Effect.Success<ReturnType<typeof world.replica>>, clientId: string) =>
        Effect.map(
          replica.providers.setUp(
            "demo",
            { provider: "google", params: {} } as never,
            { client_id: clientId, client_secret: "s", refresh_token: "r" } as never
          ),
          ({ lane }) => lane
        )
      const before = yield* world.replica("one")
      const lane = yield* laneAt(before, "one client")
      assert.match(lane, /^[0-9a-f]{32}$/u)
      assert.notStrictEqual(yield* laneAt(before, "another client"), lane)
      // The first key is not even compared to any more.
      for (const [id, key] of world.tables.dataKeys) {
        if (key.purpose === "fingerprint") world.tables.dataKeys.set(id, { ...key, state: "retired" })
      }
      assert.strictEqual(yield* laneAt(yield* world.replica("two"), "one client"), lane)
      const active = Array.from(world.tables.dataKeys.values()).filter(
        ({ purpose, state }) => purpose === "fingerprint" && state === "active"
      )
      assert.lengthOf(active, 1, "a key of its own")
    })
  )
})

describe("an entry is refused, and its field named, where", () => {
  const whole = { name: "acme", token_url: "https://acme.example/token" }
  const watched = (url: string) => ({ health: { url, method: "GET", every: "P1D", ok: [200] } })
  const put = (fields: object, clientKey: string | null = null) =>
    Effect.gen(function* () {
      const { providers } = yield* (yield* credentialWorld).replica("one")
      const request = {
        definition: { ...whole, ...fields },
        clientId: null,
        secrets: { clientSecrets: [], clientKey }
      } as PutProvider
      const asked = yield* Effect.result(providers.put("demo", request, caller))
      if (Result.isSuccess(asked)) return null
      assert.strictEqual(asked.failure._tag, "InvalidRequest")
      return (asked.failure as InvalidRequest).path
    })

  it.effect.each([
    ["a URL has a fragment", { token_url: "https://acme.example/token#frag" }, "token_url"],
    ["one that a parameter is put into has one", { token_url: "https://{host}/token#frag" }, "token_url"],
    ["a URL holds a control character", { token_url: "https://acme.example/\u0000token" }, "token_url"],
    ["a URL holds a line's end that a parser takes away", { revoke_url: "https://acme.exa\nmple/" }, "revoke_url"],
    ["a URL holds a user", watched("https://user:word@acme.example/me"), "health.url"],
    ["a URL with a parameter as its host holds a user", { revoke_url: "https://user:word@{host}/" }, "revoke_url"],
    ["a parameter is not closed", { token_url: "https://acme.example/{tenant/token" }, "token_url"],
    ["a parameter of the host is not closed", { token_url: "https://{tenant.acme.example/token" }, "token_url"],
    ["a parameter has no name that one can have", { token_url: "https://acme.example/{9}" }, "token_url"],
    ["a brace is closed that was not opened", { revoke_url: "https://acme.example/tenant}" }, "revoke_url"],
    ["a URL names port 0", { token_url: "https://acme.example:0/token" }, "token_url"],
    ["a URL with a parameter in its host names port 0", watched("https://{host}.example:0/me"), "health.url"],
    ["a label of the host is empty", { token_url: "https://acme..example/token" }, "token_url"],
    ["the first label of the host is empty", { token_url: "https://.acme.example/token" }, "token_url"],
    ["a label of a host with a parameter is empty", { revoke_url: "https://{host}..example/" }, "revoke_url"],
    ["a label of the host is too long", { token_url: `https://${"a".repeat(64)}.example/token` }, "token_url"]
  ] as const)("%s", ([_, fields, path]) => Effect.map(put(fields), (found) => assert.strictEqual(found, path)))

  it.effect("the client's key is none", () =>
    Effect.gen(function* () {
      const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const jwkOf = (key: KeyObject) => JSON.stringify(key.export({ format: "jwk" }))
      for (const wrong of ["{}", '{"kty":"EC"}', jwkOf(pair.publicKey), '{"kty":"oct","k":"c2VjcmV0"}']) {
        assert.strictEqual(yield* put({}, wrong), "client_key", wrong)
      }
      assert.isNull(yield* put({}, jwkOf(pair.privateKey)))
    })
  )
})

it.effect("a URL with parameters, a port, a name's last dot or an address is taken", () =>
  Effect.gen(function* () {
    const { providers } = yield* (yield* credentialWorld).replica("one")
    for (const token_url of [
      "https://{host}.acme.example:8443/{tenant}/token?x=%7Bname%7D",
      "https://acme.example./token",
      "https://[2606:4700::1]/token",
      "{token_url}"
    ]) {
      const definition = { name: "acme", token_url }
      const secrets = { clientSecrets: [], clientKey: null }
      yield* providers.put("demo", { definition, clientId: null, secrets }, caller)
    }
  })
)

it.effect("a parameter that the provider does not ask for is refused by its name, unless it is stored already", () =>
  Effect.gen(function* () {
    const { providers } = yield* (yield* credentialWorld).replica("one")
    const rotation = { provider: "microsoft", params: { tenant: "contoso", tennant: "fabrikam" } }
    const secret = { client_id: "c", client_secret: "s", refresh_token: "r" }
    const asked = (params: object, isStored: boolean) =>
      providers.setUp("demo", { ...rotation, params } as never, secret as never, isStored)
    assert.deepInclude(yield* Effect.flip(asked(rotation.params, false)), {
      _tag: "InvalidRequest",
      path: "rotation.params.tennant",
      reason: "is no parameter of the provider microsoft"
    })
    yield* asked(rotation.params, true)
    yield* asked({ tenant: "contoso" }, false)
  })
)

describe("a token that a look would carry in a header", () => {
  it.effect.each(["a\r\nX-Other: b", "a\u0000", "a b", "töken"])("is refused in words: %j", (access_token) =>
    Effect.gen(function* () {
      const { providers } = yield* (yield* credentialWorld).replica("one")
      const setUp = (provider: string, token: string) =>
        Effect.result(
          providers.setUp(
            "demo",
            { provider, params: {} } as never,
            { client_id: "c", client_secret: "s", refresh_token: "r", access_token: token } as never
          )
        )
      const refused = yield* setUp("whatsapp", access_token)
      assert.isTrue(Result.isFailure(refused) && refused.failure._tag === "InvalidRequest")
      if (Result.isFailure(refused)) {
        assert.strictEqual((refused.failure as InvalidRequest).path, "credentials.access_token")
        assert.notInclude(JSON.stringify(refused.failure), access_token)
      }
      assert.isTrue(Result.isSuccess(yield* setUp("whatsapp", "EAAB.~+/-_=")))
      assert.isTrue(Result.isSuccess(yield* setUp("google", access_token)), "in no header of google's")
    })
  )
})

it.effect("a tenant has so many providers of its own, and may still change each", () =>
  Effect.gen(function* () {
    const world = yield* credentialWorld
    const { providers } = yield* world.replica("one")
    const put = (name: string) => {
      const definition = { name, token_url: "https://acme.example/token" }
      return providers.put(
        "demo",
        { definition, clientId: null, secrets: { clientSecrets: [], clientKey: null } },
        caller
      )
    }
    const { known } = yield* put("first")
    for (let at = 2; at <= providersMax; at++) {
      world.tables.credentials.providers.set(`demo/p${at}`, { ...known.entry!, name: `p${at}` })
    }
    assert.deepInclude(yield* Effect.flip(put("another")), { _tag: "LimitReached", limit: "providers" })
    assert.isFalse((yield* put("first")).created)
  })
)
