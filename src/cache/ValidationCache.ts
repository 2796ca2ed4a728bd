/**
 * The shared cache of validation answers: JetStream KV, between the hot tables and MariaDB.
 *
 * Nothing depends on it: an entry may be lost, late or from the past. Each one carries the version
 * and revocation sequence it was read at, and `actors` believes it only as `docs/decisions` says.
 * Keys are `<tenant>.<hex of the keyed hash>`; no token value ever is one.
 *
 * Layers: `layerNoop` (finds nothing, keeps nothing) and `layerMemory` here, `NatsValidationCache.ts`.
 * Both storing ones pass `test/suites/validationCacheSuite.ts`.
 */
import { Context, Layer } from "effect"
import type { HotToken } from "../domain/HotToken.ts"

export interface CacheKey {
  readonly tenantId: string
  /** Lower-case hex of the keyed hash. */
  readonly cacheKey: string
}

export class ValidationCache extends Context.Service<
  ValidationCache,
  {
    /** Those found, in any order; an unreadable entry is not found. Never rejects; resolves empty after its time-out. */
    readonly getMany: (keys: ReadonlyArray<CacheKey>) => Promise<ReadonlyArray<HotToken>>
    /** Best effort, never waits, bounded; what does not fit is dropped and counted. Overwrites, never deletes. */
    readonly putUnsafe: (entries: ReadonlyArray<HotToken>) => void
  }
>()("cm/cache/ValidationCache") {
  static readonly layerNoop = Layer.succeed(ValidationCache, {
    getMany: () => Promise.resolve([]),
    putUnsafe: () => {}
  })

  static readonly layerMemory = Layer.sync(ValidationCache, () => {
    const entries = new Map<string, HotToken>()
    return {
      getMany: (keys) =>
        Promise.resolve(keys.flatMap(({ tenantId, cacheKey }) => entries.get(`${tenantId}.${cacheKey}`) ?? [])),
      putUnsafe: (tokens) => {
        for (const token of tokens) entries.set(`${token.tenantId}.${token.cacheKey}`, token)
      }
    }
  })
}
