/**
 * The shared cache of credential metadata: texts under keys, in JetStream KV. Never a secret.
 *
 * It promises little: an entry may be lost, late or from the past. What is read here says itself how
 * old it is, and `actors/credentials/DescribeCache.ts` decides whether that is good enough. Keys are made of
 * letters, digits and `-_.` only.
 *
 * Layers: `layerNoop` (finds nothing) and `layerMemory` here, `NatsMetadataCache.ts`. Both storing ones pass
 * `test/suites/metadataCacheSuite.ts`.
 */
import { Context, Effect, Layer } from "effect"

export class MetadataCache extends Context.Service<
  MetadataCache,
  {
    /** Those found. Never fails; empty when the bucket does not answer in time. At most 256 keys. */
    readonly getMany: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>>
    /** Whether it is known to be stored. Never fails; bounded. */
    readonly put: (key: string, value: string) => Effect.Effect<boolean>
  }
>()("cm/cache/MetadataCache") {
  static readonly layerNoop = Layer.succeed(MetadataCache, {
    getMany: () => Effect.succeed(new Map()),
    put: () => Effect.succeed(true)
  })

  static readonly layerMemory = Layer.sync(MetadataCache, () => {
    const entries = new Map<string, string>()
    return {
      getMany: (keys) =>
        Effect.sync(
          () =>
            new Map(
              keys.flatMap((key): ReadonlyArray<[string, string]> => {
                const value = entries.get(key)
                return value === undefined ? [] : [[key, value]]
              })
            )
        ),
      put: (key, value) =>
        Effect.sync(() => {
          entries.set(key, value)
          return true
        })
    }
  })
}
