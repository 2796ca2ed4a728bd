/** Settings of the validation path: what it may hold, how much may wait, and for how long. */
import { Config, Context, type Duration, Layer } from "effect"
import * as Setting from "../../observability/Setting.ts"

export interface ValidationSettings {
  readonly hotTokensMax: number
  readonly kvCache: boolean
  readonly kvFirstMax: number
  readonly missesPerTenantMax: number
  readonly missesMax: number
  readonly missStatementsMax: number
  readonly missTimeout: Duration.Duration
  readonly lastUseInterval: Duration.Duration
  readonly tombstonesPerTenantMax: number
}

const config = Config.all({
  hotTokensMax: Setting.int({
    name: "CM_HOT_TOKENS_MAX",
    unit: "tokens",
    min: 0,
    max: 50_000_000,
    byDefault: 1_000_000,
    about: "Tokens a replica keeps in memory, about 150 bytes each; beyond it the least used give way. 0 keeps none."
  }),
  kvCache: Setting.flag({
    name: "CM_KV_CACHE",
    byDefault: true,
    about: "Whether the JetStream KV bucket is asked before MariaDB, and filled."
  }),
  kvFirstMax: Setting.int({
    name: "CM_KV_FIRST_MAX",
    unit: "tokens",
    min: 0,
    max: 256,
    byDefault: 16,
    about: "While no more tokens than this wait for MariaDB, the KV bucket is asked first; when more wait, MariaDB is."
  }),
  missesPerTenantMax: Setting.int({
    name: "CM_MISSES_PER_TENANT_MAX",
    unit: "requests",
    min: 1,
    max: 1_000_000,
    byDefault: 10_000,
    about:
      "Validations of one tenant that may wait for MariaDB or the KV, never more than half of all; one more is answered 429."
  }),
  missesMax: Setting.int({
    name: "CM_MISSES_MAX",
    unit: "requests",
    min: 1,
    max: 1_000_000,
    byDefault: 100_000,
    about: "Validations of all tenants together that may wait; one more is answered 429."
  }),
  missStatementsMax: Setting.int({
    name: "CM_MISS_STATEMENTS_MAX",
    unit: "statements",
    min: 1,
    max: 32,
    byDefault: 3,
    about: "Statements that read tokens from MariaDB at the same time, each for up to 256 hashes."
  }),
  missTimeout: Setting.duration({
    name: "CM_MISS_TIMEOUT",
    min: "50 millis",
    max: "30 seconds",
    byDefault: "2 seconds",
    about: "How long a validation waits for MariaDB before the KV answers or it gets 503."
  }),
  lastUseInterval: Setting.duration({
    name: "CM_LAST_USE_INTERVAL",
    min: "100 millis",
    max: "1 hour",
    byDefault: "5 seconds",
    about:
      "How often the last use of tokens is written to MariaDB, for a tenth of the interval at most: what is left waits for the next."
  }),
  tombstonesPerTenantMax: Setting.int({
    name: "CM_TOMBSTONES_PER_TENANT_MAX",
    unit: "tokens",
    min: 1,
    max: 1_000_000,
    byDefault: 20_000,
    about:
      "Revoked tokens of a tenant that a replica remembers one by one; beyond it older cached entries are read anew."
  })
})

export class ActorsConfig extends Context.Service<ActorsConfig, ValidationSettings>()("cm/actors/ActorsConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
