import { Layer } from "effect"
import { inject } from "vitest"
import { CacheConfig } from "../../../src/cache/CacheConfig.ts"
import * as NatsMetadataCache from "../../../src/cache/NatsMetadataCache.ts"
import { metadataCacheSuite } from "../../suites/metadataCacheSuite.ts"
import { busLayer, environment } from "../../support/bus.ts"

metadataCacheSuite(
  "NATS",
  NatsMetadataCache.layer.pipe(
    Layer.provide(CacheConfig.layer.pipe(Layer.provide(environment({ CM_CACHE_GET_TIMEOUT: "10 seconds" })))),
    Layer.provide(busLayer({ natsUrl: inject("natsUrl") }))
  )
)
