/** What every storing `ValidationCache` promises. Run it against each layer that claims to be one. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { ValidationCache } from "../../src/cache/ValidationCache.ts"
import type { HotToken } from "../../src/domain/HotToken.ts"
import { eventually } from "../support/eventually.ts"

export const hotToken = (n: number, changes: Partial<HotToken> = {}): HotToken => ({
  tenantId: "acme",
  appName: "app",
  tokenId: `01890000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`,
  endpointId: `endpoint-${n}`,
  status: "Active",
  version: 1,
  endsAt: null,
  ending: "expired",

  readSeq: 7,
  cacheKey: n.toString(16).padStart(64, "0"),
  ...changes
})

const settled = (keys: ReadonlyArray<HotToken>, is: (found: ReadonlyArray<HotToken>) => boolean) =>
  Effect.gen(function* () {
    const cache = yield* ValidationCache
    return yield* Effect.promise(() => eventually(() => cache.getMany(keys), is, { what: "the entries" }))
  })

const byKey = (tokens: ReadonlyArray<HotToken>) => tokens.toSorted((a, b) => (a.cacheKey < b.cacheKey ? -1 : 1))

export const validationCacheSuite = (name: string, cache: Layer.Layer<ValidationCache, unknown>) =>
  layer(cache, { excludeTestServices: true })(`ValidationCache (${name})`, (it) => {
    it.effect("finds nothing that was not put", () =>
      Effect.gen(function* () {
        const cache = yield* ValidationCache
        assert.deepStrictEqual(yield* Effect.promise(() => cache.getMany([hotToken(1)])), [])
        assert.deepStrictEqual(yield* Effect.promise(() => cache.getMany([])), [])
      })
    )

    it.effect("gives back what was put, every field of it", () =>
      Effect.gen(function* () {
        const cache = yield* ValidationCache
        const tokens = [
          hotToken(10),
          hotToken(11, { status: "Revoked", ending: "revoked", version: 12, readSeq: 1_000_000_007 }),
          hotToken(12, { status: "Suspended", endsAt: 1_764_000_000_000, ending: "rotated" }),
          hotToken(13, { status: "Inactive", endpointId: "a.b~c_d-e" })
        ]
        cache.putUnsafe(tokens)
        const found = yield* settled(tokens, (found) => found.length === tokens.length)
        assert.deepStrictEqual(byKey(found), tokens)
      })
    )

    it.effect("keeps the newest put of a key", () =>
      Effect.gen(function* () {
        const cache = yield* ValidationCache
        cache.putUnsafe([hotToken(20), hotToken(20, { version: 2, status: "Revoked" })])
        cache.putUnsafe([hotToken(20, { version: 3, status: "Active" })])
        const [found] = yield* settled([hotToken(20)], (found) => found[0]?.version === 3)
        assert.strictEqual(found?.status, "Active")
      })
    )

    it.effect("keeps tenants apart", () =>
      Effect.gen(function* () {
        const cache = yield* ValidationCache
        const [ours, theirs] = [hotToken(30), hotToken(30, { tenantId: "other", endpointId: "theirs" })]
        cache.putUnsafe([ours])
        yield* settled([ours], (found) => found.length === 1)
        assert.deepStrictEqual(yield* Effect.promise(() => cache.getMany([theirs])), [])
        cache.putUnsafe([theirs])
        const found = yield* settled([ours, theirs], (found) => found.length === 2)
        assert.sameMembers(
          found.map(({ endpointId }) => endpointId),
          ["endpoint-30", "theirs"]
        )
      })
    )

    it.effect("answers a look at more keys than one request can carry", () =>
      Effect.gen(function* () {
        const cache = yield* ValidationCache
        const tokens = Array.from({ length: 700 }, (_, n) => hotToken(1_000 + n))
        cache.putUnsafe(tokens)
        const found = yield* settled(tokens, (found) => found.length === tokens.length)
        assert.deepStrictEqual(byKey(found), tokens)
      })
    )

    it.effect("finds those that are there among those that are not", () =>
      Effect.gen(function* () {
        const cache = yield* ValidationCache
        cache.putUnsafe([hotToken(40), hotToken(42)])
        const found = yield* settled(
          [40, 41, 42, 43].map((n) => hotToken(n)),
          (found) => found.length === 2
        )
        assert.deepStrictEqual(byKey(found), [hotToken(40), hotToken(42)])
      })
    )
  })
