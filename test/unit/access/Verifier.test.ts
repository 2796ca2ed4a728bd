// Verifies R-ACC-3, R-ACC-4, R-ACC-5.
/** Verification with real keys, over an issuer that does what the test says, at a time that the test says. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import type { JWK } from "jose"
import { AccessConfig, type AccessConfigShape } from "../../../src/access/AccessConfig.ts"
import { IssuerAway, IssuerClient } from "../../../src/access/IssuerClient.ts"
import { rememberedBytesMax, Verifier } from "../../../src/access/Verifier.ts"
import type { Issuer } from "../../../src/domain/Issuer.ts"
import { signingKey } from "../../support/issuerKeys.ts"

const acme: Issuer = { issuer: "https://acme.example", audience: "cm", jwksUri: null }
const beta: Issuer = { issuer: "https://beta.example", audience: "cm", jwksUri: null }
const platform: Issuer = { issuer: "https://kaa.example", audience: "cm", jwksUri: null }
const claims = { iss: acme.issuer, aud: "cm", sub: "alice", exp: 1_000_000, scope: "endpoint:read" }

const someConfig: AccessConfigShape = {
  busTrust: "without-issuer",
  authorization: "enforced",
  platform,
  clockSkew: Duration.seconds(30),
  jwksStaleMax: Duration.hours(24),
  jwksRefresh: Duration.minutes(5),
  issuerTimeout: Duration.seconds(5),
  issuersMax: 100,
  verifiedTokensMax: 100,
  httpInsecure: false
}

const world = Effect.fnUntraced(function* (over: Partial<AccessConfigShape> = {}) {
  const published = new Map<string, ReadonlyArray<JWK>>()
  const asked: Array<string> = []
  const state: { down: ReadonlySet<string>; held: Map<string, Deferred.Deferred<void>>; garbage: boolean } = {
    down: new Set(),
    held: new Map(),
    garbage: false
  }
  const client = Layer.succeed(IssuerClient, {
    fetchKeys: ({ issuer }) =>
      Effect.suspend(() => {
        asked.push(issuer)
        const held = state.held.get(issuer)
        return held === undefined ? Effect.void : Deferred.await(held)
      }).pipe(
        Effect.andThen(
          Effect.suspend(() =>
            state.down.has(issuer)
              ? Effect.fail(new IssuerAway({ reason: "unreachable" }))
              : Effect.succeed(state.garbage ? { keys: "none" } : { keys: published.get(issuer) ?? [] })
          )
        )
      )
  })
  const context = yield* Layer.build(
    Verifier.layer.pipe(Layer.provide(Layer.merge(client, Layer.succeed(AccessConfig, { ...someConfig, ...over }))))
  )
  const verifier = Context.get(context, Verifier)
  /** The principal, or why not. */
  const verify = (token: string, tenantId: string | null = "acme", issuer: Issuer | null = acme) =>
    verifier.verify(`Bearer ${token}`, { tenantId, issuer }).pipe(
      Effect.result,
      Effect.map((result) =>
        Result.isSuccess(result)
          ? result.success.principal
          : result.failure._tag === "Unavailable"
            ? `503 ${result.failure.part}`
            : result.failure.reason
      )
    )
  return { verifier, verify, published, asked, state }
})
const made = (keyId: string, algorithm?: string) => Effect.promise(() => signingKey(keyId, algorithm))
const signed = (promise: Promise<string>) => Effect.promise(() => promise)

describe("a token", () => {
  for (const algorithm of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
    it.effect(`signed with ${algorithm} by a key of the issuer is good`, () =>
      Effect.gen(function* () {
        const { published, verify } = yield* world()
        const key = yield* made("k", algorithm)
        published.set(acme.issuer, [key.publicJwk])
        assert.strictEqual(yield* verify(yield* signed(key.sign(claims))), "bearer:acme/alice")
      })
    )
  }

  it.effect("is good with a key whose kid it names, or with none named, and with no other", () =>
    Effect.gen(function* () {
      const { published, verify } = yield* world()
      const [one, two, stranger] = [yield* made("one"), yield* made("two"), yield* made("one")]
      published.set(acme.issuer, [one.publicJwk, two.publicJwk])
      const ask = (token: Promise<string>) => Effect.flatMap(signed(token), (text) => verify(text))
      assert.strictEqual(yield* ask(one.sign(claims)), "bearer:acme/alice")
      assert.strictEqual(yield* ask(two.sign(claims, { kid: undefined })), "bearer:acme/alice")
      assert.strictEqual(yield* ask(two.sign(claims, { kid: "one" })), "signature")
      assert.strictEqual(yield* ask(stranger.sign(claims)), "signature")
      assert.strictEqual(yield* ask(stranger.sign(claims, { kid: "nobody" })), "signature")
    })
  )

  it.effect("is another text, or changed, and is refused", () =>
    Effect.gen(function* () {
      const { published, verifier, verify } = yield* world()
      const key = yield* made("k")
      published.set(acme.issuer, [key.publicJwk])
      const token = yield* signed(key.sign(claims))
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      const [header, payload, signature] = token.split(".")
      const forged = Buffer.from(JSON.stringify({ ...claims, sub: "root" })).toString("base64url")
      assert.strictEqual(yield* verify(`${header}.${forged}.${signature}`), "signature")
      assert.strictEqual(yield* verify(`${header}.${payload}.${signature}x`), "signature")
      const basic = yield* Effect.flip(verifier.verify("Basic YTpi", { tenantId: "acme", issuer: acme }))
      assert.strictEqual(basic._tag === "Unauthenticated" && basic.reason, "malformed")
    })
  )

  it.effect("of another issuer, for nobody, or of the platform is judged by whom it claims", () =>
    Effect.gen(function* () {
      const { asked, published, verify } = yield* world()
      const [ofAcme, ofKaa] = [yield* made("k"), yield* made("k")]
      published.set(acme.issuer, [ofAcme.publicJwk])
      published.set(platform.issuer, [ofKaa.publicJwk])
      const token = yield* signed(ofAcme.sign(claims))
      assert.strictEqual(yield* verify(token, "beta", beta), "issuer")
      assert.strictEqual(yield* verify(token, "none", null), "no_issuer")
      assert.strictEqual(yield* verify(token, null, null), "issuer")
      assert.deepStrictEqual(asked, [])
      const staff = yield* signed(ofKaa.sign({ ...claims, iss: platform.issuer }))
      for (const tenant of ["acme", "none", null]) {
        assert.strictEqual(yield* verify(staff, tenant, tenant === "acme" ? acme : null), "bearer:kaa/alice")
      }
      // A tenant's key does not sign for the platform, nor the other way round, though both have the same kid.
      assert.strictEqual(yield* verify(yield* signed(ofAcme.sign({ ...claims, iss: platform.issuer }))), "signature")
      assert.strictEqual(yield* verify(yield* signed(ofKaa.sign(claims))), "signature")
    })
  )

  it.effect("reaches what its issuer is for: a tenant's the tenant, the platform's the platform", () =>
    Effect.gen(function* () {
      const { published, verifier } = yield* world()
      const key = yield* made("k")
      published.set(acme.issuer, [key.publicJwk])
      published.set(platform.issuer, [key.publicJwk])
      const issuedBy = Effect.fnUntraced(function* (iss: string) {
        const token = yield* signed(key.sign({ ...claims, iss }))
        const { grants } = yield* verifier.verify(`Bearer ${token}`, { tenantId: "acme", issuer: acme })
        return grants.issuedBy
      })
      assert.strictEqual(yield* issuedBy(acme.issuer), "tenant")
      assert.strictEqual(yield* issuedBy(platform.issuer), "platform")
    })
  )

  it.effect("says each time which client it was issued to", () =>
    Effect.gen(function* () {
      const { published, verifier } = yield* world()
      const key = yield* made("k")
      published.set(acme.issuer, [key.publicJwk])
      const token = yield* signed(key.sign({ ...claims, azp: "web" }))
      const clientOf = Effect.map(
        verifier.verify(`Bearer ${token}`, { tenantId: "acme", issuer: acme }),
        (it) => it.client
      )
      assert.deepStrictEqual([yield* clientOf, yield* clientOf], ["web", "web"])
    })
  )

  it.effect("without a platform's issuer says no_issuer of the platform", () =>
    Effect.gen(function* () {
      const { verify } = yield* world({ platform: null })
      const key = yield* made("k")
      assert.strictEqual(yield* verify(yield* signed(key.sign(claims)), null, null), "no_issuer")
    })
  )
})

describe("a verified token is remembered", () => {
  it.effect("until it ends", () =>
    Effect.gen(function* () {
      const { published, verifier, verify } = yield* world()
      const key = yield* made("k")
      published.set(acme.issuer, [key.publicJwk])
      const token = yield* signed(key.sign({ ...claims, exp: 100 }))
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      assert.strictEqual(verifier.censusUnsafe().tokens, 1)
      yield* TestClock.adjust("129 seconds")
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* verify(token), "expired")
    })
  )

  it.effect("until its key goes", () =>
    Effect.gen(function* () {
      const { asked, published, verify } = yield* world()
      const [old, next] = [yield* made("old"), yield* made("next")]
      published.set(acme.issuer, [old.publicJwk])
      const token = yield* signed(old.sign(claims))
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      published.set(acme.issuer, [next.publicJwk])
      // Any token with an unknown kid makes the keys be fetched again.
      assert.strictEqual(yield* verify(yield* signed(next.sign(claims))), "bearer:acme/alice")
      assert.strictEqual(yield* verify(token), "signature")
      assert.strictEqual(asked.length, 2)
    })
  )

  it.effect("until the tenant's issuer is another, and not for another tenant or audience", () =>
    Effect.gen(function* () {
      const { published, verify } = yield* world()
      const key = yield* made("k")
      published.set(acme.issuer, [key.publicJwk])
      const token = yield* signed(key.sign(claims))
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      assert.strictEqual(yield* verify(token, "acme", beta), "issuer")
      assert.strictEqual(yield* verify(token, "acme", null), "no_issuer")
      assert.strictEqual(yield* verify(token, "acme", { ...acme, audience: "other" }), "audience")
      assert.strictEqual(yield* verify(token, "other", acme), "bearer:other/alice")
    })
  )

  it.effect("in a bounded number of bytes, as many as there is room for", () =>
    Effect.gen(function* () {
      const { published, verifier, verify } = yield* world({ verifiedTokensMax: 10_000 })
      const key = yield* made("k")
      published.set(acme.issuer, [key.publicJwk])
      const long = { ...claims, padding: "x".repeat(10_000) }
      const room = Math.floor(rememberedBytesMax / (8 * (yield* signed(key.sign({ ...long, jti: 1_000 }))).length))
      for (let index = 0; index < room + 40; index++) {
        yield* verify(yield* signed(key.sign({ ...long, jti: 1_000 + index })))
      }
      assert.strictEqual(verifier.censusUnsafe().tokens, room)
    })
  )

  it.effect("in a bounded number", () =>
    Effect.gen(function* () {
      const { published, verifier, verify } = yield* world({ verifiedTokensMax: 3, issuersMax: 2 })
      const key = yield* made("k")
      published.set(acme.issuer, [key.publicJwk])
      for (let index = 0; index < 6; index++) {
        assert.strictEqual(
          yield* verify(yield* signed(key.sign({ ...claims, jti: index })), `t${index}`),
          `bearer:t${index}/alice`
        )
      }
      const { issuers, tokens } = verifier.censusUnsafe()
      assert.deepStrictEqual([issuers, tokens], [2, 3])
    })
  )
})

describe("an issuer's keys", () => {
  const keyed = Effect.fnUntraced(function* (over: Partial<AccessConfigShape> = {}) {
    const all = yield* world(over)
    const key = yield* made("k")
    all.published.set(acme.issuer, [key.publicJwk])
    all.published.set(beta.issuer, [key.publicJwk])
    return { ...all, key, token: yield* signed(key.sign(claims)) }
  })

  it.effect("are fetched when first needed, once for all who wait, and nobody waits for another's", () =>
    Effect.gen(function* () {
      const { asked, key, state, token, verify } = yield* keyed()
      assert.deepStrictEqual(asked, [])
      const held = Deferred.makeUnsafe<void>()
      state.held.set(acme.issuer, held)
      const waiting = yield* Effect.forEach([1, 2, 3, 4], () =>
        Effect.forkChild(verify(token), { startImmediately: true })
      )
      const ofBeta = yield* signed(key.sign({ ...claims, iss: beta.issuer }))
      assert.strictEqual(yield* verify(ofBeta, "beta", beta), "bearer:beta/alice")
      yield* Deferred.succeed(held, undefined)
      const answers = yield* Fiber.joinAll(waiting)
      assert.deepStrictEqual(answers, Array(4).fill("bearer:acme/alice"))
      assert.deepStrictEqual(asked, [acme.issuer, beta.issuer])
    })
  )

  it.effect("of an issuer that is away are not asked for before a pause, which grows", () =>
    Effect.gen(function* () {
      const { asked, state, token, verify } = yield* keyed()
      state.down = new Set([acme.issuer])
      const tries: Array<number> = []
      for (let half = 0; half < 40; half++) {
        assert.strictEqual(yield* verify(token), "503 issuer")
        tries.push(asked.length)
        yield* TestClock.adjust("500 millis")
      }
      // At 0, 0.5, 1.5, 3.5, 7.5 and 15.5 s.
      assert.strictEqual(tries.at(-1), 6)
      assert.strictEqual(tries[0], 1)
      state.down = new Set()
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
    })
  )

  it.effect("are used while the issuer is away, up to the limit after it last gave them, and not a moment longer", () =>
    Effect.gen(function* () {
      // Also where the limit is shorter than the age at which they are fetched again.
      for (const minutes of [10, 1]) {
        const { state, token, verify } = yield* keyed({ jwksStaleMax: Duration.minutes(minutes) })
        assert.strictEqual(yield* verify(token), "bearer:acme/alice")
        state.down = new Set([acme.issuer])
        yield* TestClock.adjust(Duration.millis(minutes * 60_000 - 1))
        assert.strictEqual(yield* verify(token), "bearer:acme/alice")
        yield* TestClock.adjust(Duration.millis(1))
        assert.strictEqual(yield* verify(token), "503 issuer")
        state.down = new Set()
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      }
    })
  )

  it.effect("are fetched again at some age, so that one that was withdrawn is not used for ever", () =>
    Effect.gen(function* () {
      const { published, token, verify } = yield* keyed()
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      published.set(acme.issuer, [])
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* verify(token), "signature")
    })
  )

  it.effect("are fetched for the first unknown kid at once, for further ones at most once in 30 s", () =>
    Effect.gen(function* () {
      const { asked, published, token, verify } = yield* keyed()
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      const next = yield* made("next")
      published.set(acme.issuer, [next.publicJwk])
      const unknown = yield* Effect.forEach([1, 2, 3], (index) => signed(next.sign(claims, { kid: `u${index}` })))
      assert.deepStrictEqual(yield* Effect.forEach(unknown, (text) => verify(text)), Array(3).fill("signature"))
      assert.strictEqual(asked.length, 2)
      assert.strictEqual(yield* verify(yield* signed(next.sign(claims))), "bearer:acme/alice")
      const newest = yield* made("newest")
      published.set(acme.issuer, [newest.publicJwk])
      const later = yield* signed(newest.sign(claims))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(yield* verify(later), "signature")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* verify(later), "bearer:acme/alice")
      assert.strictEqual(asked.length, 3)
    })
  )

  it.effect("that are garbage do not replace good ones", () =>
    Effect.gen(function* () {
      const { state, token, verify } = yield* keyed()
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
      state.garbage = true
      yield* TestClock.adjust("11 minutes")
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
    })
  )

  it.effect("are for verifying: private, weak, encrypting, secret and foreign keys are passed over", () =>
    Effect.gen(function* () {
      const { published, verify } = yield* world()
      const key = yield* made("k")
      const token = yield* signed(key.sign(claims))
      const { publicJwk } = key
      const wrong: ReadonlyArray<JWK> = [
        { ...publicJwk, d: "c2VjcmV0" },
        { ...publicJwk, use: "enc" },
        { ...publicJwk, key_ops: ["encrypt"] },
        { ...publicJwk, alg: "ES384" },
        { ...publicJwk, crv: "secp256k1" },
        { kty: "oct", k: "c2VjcmV0", kid: "k" }
      ]
      for (const jwk of wrong) {
        published.set(acme.issuer, [jwk])
        yield* TestClock.adjust("11 minutes")
        assert.strictEqual(yield* verify(token), "signature", JSON.stringify(jwk))
      }
      published.set(acme.issuer, [...wrong, publicJwk])
      yield* TestClock.adjust("11 minutes")
      assert.strictEqual(yield* verify(token), "bearer:acme/alice")
    })
  )
})
