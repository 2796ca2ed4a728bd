/** What every `MetadataCache` promises. Run it against each layer that claims to be one. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { MetadataCache } from "../../src/cache/MetadataCache.ts"

export const metadataCacheSuite = (name: string, cache: Layer.Layer<MetadataCache, unknown>) =>
  layer(cache, { excludeTestServices: true })(`MetadataCache (${name})`, (it) => {
    it.effect("gives what was put last under each key, and nothing for a key that was not", () =>
      Effect.gen(function* () {
        const { getMany, put } = yield* MetadataCache
        assert.isTrue(yield* put("demo.a", "first"))
        assert.isTrue(yield* put("demo.a", "ümläut"))
        assert.isTrue(yield* put("demo.b", ""))
        assert.deepStrictEqual(
          yield* getMany(["demo.a", "demo.b", "demo.c"]),
          new Map([
            ["demo.a", "ümläut"],
            ["demo.b", ""]
          ])
        )
        assert.deepStrictEqual(yield* getMany(["demo.A"]), new Map())
      })
    )

    it.effect("keeps many keys apart", () =>
      Effect.gen(function* () {
        const { getMany, put } = yield* MetadataCache
        const keys = Array.from({ length: 200 }, (_, index) => `many.${index}`)
        yield* Effect.forEach(keys, (key) => put(key, `value of ${key}`), { concurrency: 20, discard: true })
        const found = yield* getMany(keys)
        assert.strictEqual(found.size, keys.length)
        for (const key of keys) assert.strictEqual(found.get(key), `value of ${key}`)
      })
    )
  })
