/** Bounds of the shared validation cache. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const config = Config.all({
  getTimeout: Setting.duration({
    name: "CM_CACHE_GET_TIMEOUT",
    min: "10 millis",
    max: "10 seconds",
    byDefault: "200 millis",
    about: "How long a look into the shared cache may take; then the database is asked."
  }),
  putsInFlightMax: Setting.int({
    name: "CM_CACHE_PUTS_IN_FLIGHT_MAX",
    unit: "entries",
    min: 1,
    max: 65_536,
    byDefault: 4_096,
    about: "Entries on their way into the shared cache. One more is dropped and counted."
  })
})

export class CacheConfig extends Context.Service<CacheConfig, Config.Success<typeof config>>()("cm/cache/CacheConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
