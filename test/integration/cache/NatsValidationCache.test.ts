import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import { inject } from "vitest"
import { CacheConfig } from "../../../src/cache/CacheConfig.ts"
import * as HotTokenValue from "../../../src/cache/HotTokenValue.ts"
import * as NatsValidationCache from "../../../src/cache/NatsValidationCache.ts"
import { ValidationCache } from "../../../src/cache/ValidationCache.ts"
import { Nats } from "../../../src/nats/Nats.ts"
import { Streams } from "../../../src/nats/Streams.ts"
import { hotToken, validationCacheSuite } from "../../suites/validationCacheSuite.ts"
import { busLayer, environment } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"

/** What is found in time is asked elsewhere: here a look waits until it is answered. */
const cacheLayer = (variables: Record<string, string> = {}) =>
  NatsValidationCache.layer.pipe(
    Layer.provide(
      CacheConfig.layer.pipe(Layer.provide(environment({ CM_CACHE_GET_TIMEOUT: "10 seconds", ...variables })))
    ),
    Layer.provideMerge(busLayer({ natsUrl: inject("natsUrl") }))
  )

validationCacheSuite("NATS", cacheLayer())

const countOf = (name: string, outcome: string) =>
  Effect.map(Metric.snapshot, (series) => {
    const found = series.find(({ id, attributes }) => id === name && attributes?.outcome === outcome)
    return found?.type === "Counter" ? Number(found.state.count) : 0
  })

describe("NatsValidationCache", () => {
  it.live("treats a corrupt or foreign value as not found, and counts it", () =>
    Effect.gen(function* () {
      const { jetstream } = yield* Nats
      const { tokensBucket } = yield* Streams
      const cache = yield* ValidationCache
      const [broken, moved, good] = [hotToken(1), hotToken(2), hotToken(3)] as const
      const subjectOf = ({ tenantId, cacheKey }: typeof good) => `$KV.${tokensBucket}.${tenantId}.${cacheKey}`
      yield* Effect.promise(() => jetstream.publish(subjectOf(broken), "\u0001[garbage"))
      yield* Effect.promise(() => jetstream.publish(subjectOf(moved), HotTokenValue.encode(good)))
      yield* Effect.promise(() => jetstream.publish(subjectOf(good), HotTokenValue.encode(good)))
      const before = yield* countOf("cm_cache_lookups_total", "corrupt")
      assert.deepStrictEqual(yield* Effect.promise(() => cache.getMany([broken, moved, good])), [good])
      assert.strictEqual((yield* countOf("cm_cache_lookups_total", "corrupt")) - before, 2)
    }).pipe(Effect.provide(cacheLayer()))
  )

  it.live("drops what exceeds its limit, counts it, and takes more afterwards", () =>
    Effect.gen(function* () {
      const cache = yield* ValidationCache
      const tokens = Array.from({ length: 100 }, (_, n) => hotToken(n))
      const before = yield* countOf("cm_cache_puts_total", "dropped")
      cache.putUnsafe(tokens)
      assert.strictEqual((yield* countOf("cm_cache_puts_total", "dropped")) - before, 90)
      yield* Effect.promise(() =>
        eventually(
          () => cache.getMany(tokens),
          (found) => found.length === 10
        )
      )
      const late = hotToken(1_000)
      yield* Effect.promise(() =>
        eventually(
          () => {
            cache.putUnsafe([late])
            return cache.getMany([late])
          },
          (found) => found.length === 1
        )
      )
    }).pipe(Effect.provide(cacheLayer({ CM_CACHE_PUTS_IN_FLIGHT_MAX: "10" })))
  )

  it.live("resolves empty when the bucket is gone, and soon without asking", () =>
    Effect.gen(function* () {
      const { jetstreamManager } = yield* Nats
      const { tokensBucket } = yield* Streams
      const cache = yield* ValidationCache
      yield* Effect.promise(() => jetstreamManager.streams.delete(`KV_${tokensBucket}`))
      const before = yield* countOf("cm_cache_lookups_total", "skipped")
      let skipped = before
      for (let look = 0; look < 200 && skipped === before; look++) {
        assert.deepStrictEqual(yield* Effect.promise(() => cache.getMany([hotToken(1)])), [])
        skipped = yield* countOf("cm_cache_lookups_total", "skipped")
      }
      assert.isAbove(skipped, before)
      // Nobody answers for a bucket that is gone: each look takes the whole time.
    }).pipe(Effect.provide(cacheLayer({ CM_CACHE_GET_TIMEOUT: "10 millis" })))
  )
})
