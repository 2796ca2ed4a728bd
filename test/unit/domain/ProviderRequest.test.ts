// Verifies R-REF-5.
import { assert, describe, it } from "vitest"
import { builtInProviders } from "../../../src/domain/BuiltInProviders.ts"
import { fillUrl, lacking, type Provider, providerOf } from "../../../src/domain/Provider.ts"
import { buildRequest } from "../../../src/domain/ProviderRequest.ts"

const plain = providerOf({ name: "plain", token_url: "https://example.com/token" })
const secret = { access_token: "live", refresh_token: "spent+me/=" }
const client = { id: "id:with colon", secret: "s3cr t", assertion: "signed" }
const build = (provider: Provider, url = provider.token_url) =>
  buildRequest({ provider, url, secret, client, scopes: ["a", "b"] })

describe("a request to a provider", () => {
  it("encodes both parts of the Basic scheme as RFC 6749 wants it, or not at all", () => {
    const decoded = (authorization: string) => Buffer.from(authorization.slice("Basic ".length), "base64").toString()
    assert.strictEqual(decoded(build(plain).headers.Authorization!), "id%3Awith+colon:s3cr+t")
    assert.strictEqual(
      decoded(build({ ...plain, client_auth: "basic_raw" }).headers.Authorization!),
      "id:with colon:s3cr t"
    )
  })

  it("refreshes with the refresh token in a form", () => {
    const { body, headers, method } = build({ ...plain, client_auth: "post" })
    assert.strictEqual(method, "POST")
    assert.strictEqual(headers["Content-Type"], "application/x-www-form-urlencoded")
    // Without a word of codings a server may choose one.
    assert.strictEqual(headers["Accept-Encoding"], "identity")
    assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(body!)), {
      grant_type: "refresh_token",
      refresh_token: secret.refresh_token,
      client_id: client.id,
      client_secret: client.secret
    })
  })

  it("asks anew with client credentials and scopes, signed or as JSON", () => {
    const { body } = build({
      ...plain,
      grant: "client_credentials",
      client_auth: "private_key_jwt",
      body_format: "json"
    })
    assert.deepStrictEqual(JSON.parse(body!), {
      grant_type: "client_credentials",
      scope: "a b",
      client_id: client.id,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: "signed"
    })
  })

  it("exchanges the live token of Meta in the query", () => {
    const { body, method, url } = build(builtInProviders.get("meta")!)
    const { searchParams } = new URL(url)
    assert.deepStrictEqual([method, body], ["GET", null])
    assert.strictEqual(searchParams.get("fb_exchange_token"), "live")
    assert.strictEqual(searchParams.get("client_secret"), client.secret)
  })

  it("has nothing in a secret's place that is not stored", () => {
    const token_params = {
      one: "{credentials.access_token}",
      none: "<{credentials.other}>",
      odd: "{credentials.toString}"
    }
    const { body } = build({ ...plain, token_params })
    const { none, odd, one } = Object.fromEntries(new URLSearchParams(body!))
    assert.deepStrictEqual([one, none, odd], ["live", "<>", ""])
  })

  it("tells every secret that is in it", () => {
    for (const provider of builtInProviders.values()) {
      const { body, headers, secrets, url } = build(provider, "https://example.com/token")
      const said = [decodeURIComponent(new URL(url).search), body ?? "", headers.Authorization ?? ""].join(" ")
      for (const one of [secret.refresh_token, secret.access_token, client.secret]) {
        if (said.includes(one) || said.includes(encodeURIComponent(one))) assert.include(secrets, one)
      }
    }
  })
})

describe("parameters of a URL", () => {
  const microsoft = builtInProviders.get("microsoft")!
  it("are put in when they match as a whole", () => {
    assert.deepStrictEqual(fillUrl(microsoft.token_url, microsoft, { tenant: "contoso.com" }), {
      _tag: "Url",
      url: "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"
    })
  })

  it.each(["../evil", "a/b", "evil.com@x", "a?b", "a#b", "", "x\n", "a%2fb"])(
    "cannot change where the request goes: %j",
    (tenant) => {
      assert.strictEqual(fillUrl(microsoft.token_url, microsoft, { tenant })._tag, "Wrong")
    }
  )

  it("that lack are named", () => {
    assert.deepStrictEqual(fillUrl(microsoft.token_url, microsoft, {}), {
      _tag: "Wrong",
      param: "tenant",
      why: "missing"
    })
    assert.strictEqual(fillUrl("https://{constructor}.example.com", plain, {})._tag, "Wrong")
  })
})

it("what a credential lacks for its provider is named", () => {
  const full = {
    params: { tenant: "t" },
    secretFields: new Set(["refresh_token"]),
    hasClientId: true,
    hasClientSecret: true,
    hasClientKey: false
  }
  const provider = builtInProviders.get("microsoft")!
  assert.isNull(lacking({ provider, ...full }))
  assert.strictEqual(lacking({ provider, ...full, params: {} })?.path, "rotation.params.tenant")
  assert.strictEqual(lacking({ provider, ...full, secretFields: new Set() })?.path, "credentials.refresh_token")
  assert.strictEqual(lacking({ provider, ...full, hasClientId: false })?.path, "credentials.client_id")
  assert.strictEqual(lacking({ provider, ...full, hasClientSecret: false })?.path, "credentials.client_secret")
  const signing = { ...provider, client_auth: "private_key_jwt" as const }
  assert.strictEqual(lacking({ provider: signing, ...full })?.path, "rotation.provider")
  assert.isNull(lacking({ provider: signing, ...full, hasClientSecret: false, hasClientKey: true }))
  assert.strictEqual(lacking({ provider: builtInProviders.get("meta")!, ...full })?.path, "credentials.access_token")
})

describe("what is hidden of an answer", () => {
  it("is every secret of the request, in each form in which it was sent", () => {
    const { headers, secrets } = build(plain)
    assert.includeMembers([...secrets], [secret.access_token, secret.refresh_token, client.secret, client.assertion])
    assert.include([...secrets], headers.Authorization!.slice("Basic ".length))
  })
})
