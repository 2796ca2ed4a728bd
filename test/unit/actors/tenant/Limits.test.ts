// Verifies R-ACT-5.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { Limits } from "../../../../src/actors/tenant/Limits.ts"
import { defaultLimits, RateBucket, type TenantLimits } from "../../../../src/domain/TenantLimits.ts"
import { operator, tenantWorld } from "../../../support/tenantWorld.ts"

const limited = (own: Partial<TenantLimits>) =>
  Layer.succeed(Limits, { get: () => ({ ...defaultLimits, ...own }), setUnsafe: () => {} })
const item = (endpointId: string) => ({ endpointId, token: null, expiresAt: null, description: null })

it("a tenant has the contract's limits where nobody set others", () => {
  assert.deepStrictEqual(defaultLimits, {
    requestsInFlight: 256,
    missesPerSecond: 20_000,
    tokens: 10_000_000,
    credentials: 100_000,
    clientCredentials: 100_000,
    loginsPerSecond: 200,
    batchItems: 1_000
  })
})

describe("a tenant's stock of tokens", () => {
  it.live("is bounded: what is not Revoked counts, in the same group too", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const provision = (count: number) =>
        tenants.provisionTokens(
          "acme",
          "app",
          Array.from({ length: count }, (_, n) => item(`e${n}`)),
          operator
        )
      const made = yield* provision(7)
      const ids = made.flatMap((one) => (Result.isSuccess(one) ? [one.success.record.tokenId] : []))
      assert.lengthOf(ids, 5)
      for (const one of made.slice(5)) {
        assert.deepInclude(Result.isFailure(one) ? one.failure : {}, { _tag: "LimitReached", limit: "tokens", max: 5 })
      }
      const rotate = (overlapMs: number) =>
        Effect.result(tenants.rotateToken("acme", { tokenId: ids[0]!, overlapMs, token: null }, operator))
      // One that takes the place of another is no more than before.
      assert.isTrue(Result.isFailure(yield* rotate(5_000)))
      assert.isTrue(Result.isSuccess(yield* rotate(0)))
      assert.isTrue(Result.isFailure((yield* provision(1))[0]!))
      yield* tenants.transitionTokens(
        "acme",
        [{ tokenId: ids[1]! }],
        { target: "Revoked", expectedVersion: null, reason: null },
        operator
      )
      assert.isTrue(Result.isSuccess((yield* provision(1))[0]!))
      yield* tenants.deleteTokens("acme", { tokenId: ids[2]! }, operator)
      yield* tenants.deleteTokens("acme", { tokenId: ids[1]! }, operator)
      assert.deepStrictEqual((yield* provision(2)).map(Result.isSuccess), [true, false])
    }).pipe(Effect.provide(limited({ tokens: 5 })), Effect.scoped)
  )
})

describe("a rate", () => {
  it("lets through so many a second, and not what was saved up before", () => {
    const bucket = new RateBucket()
    const taken = (at: number, asked: number) =>
      Array.from({ length: asked }, () => bucket.take(100, at)).filter((yes) => yes).length
    assert.strictEqual(taken(5_000, 500), 100)
    assert.strictEqual(taken(5_100, 500), 10)
    assert.strictEqual(taken(60_000, 500), 100)
  })
})
