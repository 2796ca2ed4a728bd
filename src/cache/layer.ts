/** The room `cache`: the two shared buckets, which may be thrown away at any time. */
import { Layer } from "effect"
import { CacheConfig } from "./CacheConfig.ts"
import * as NatsMetadataCache from "./NatsMetadataCache.ts"
import * as NatsValidationCache from "./NatsValidationCache.ts"

export const settings = CacheConfig.layer
export const layer = Layer.merge(NatsValidationCache.layer, NatsMetadataCache.layer)
