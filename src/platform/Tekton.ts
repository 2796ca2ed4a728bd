/**
 * Tekton, as a client: whose which application is, and what is configured for it.
 *
 * Configuration is handed on undecoded: what it means is not this client's matter, and a wrong one is
 * refused alone. The frame around it is checked, and an answer of another shape is malformed as a whole.
 *
 * Source: contract, section 8.4.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { Replica } from "../observability/Replica.ts"
import * as ClientCredentials from "./ClientCredentials.ts"
import { PlatformConfig } from "./PlatformConfig.ts"
import { PlatformError } from "./PlatformError.ts"
import * as SystemClient from "./SystemClient.ts"

const system = "tekton"
/** Applications of one tenant that are read at most. */
export const applicationsMax = 100_000

export type RawConfig = Readonly<Record<string, unknown>>

/** An array is an object too, and no configuration. */
const isNoArray = Schema.makeFilter((value: object) => (Array.isArray(value) ? "must be an object" : undefined))
const Config = Schema.Record(Schema.String, Schema.Unknown).check(isNoArray)
const AppConfigs = Schema.Record(
  Schema.String,
  Schema.Struct({ kaa: Schema.Struct({ applications: Schema.Record(Schema.String, Config) }) })
).check(isNoArray)
const Applications = Schema.Struct({
  content: Schema.Array(Schema.Struct({ name: Schema.String })),
  totalElements: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: applicationsMax }))
})

export interface TektonClient {
  /** The configuration of every application that has one, for this instance. */
  readonly appConfigs: Effect.Effect<ReadonlyMap<string, RawConfig>, PlatformError>
  /** Null: it has none. */
  readonly appConfig: (appName: string) => Effect.Effect<RawConfig | null, PlatformError>
  readonly applicationsOf: (tenantId: string) => Effect.Effect<ReadonlyArray<string>, PlatformError>
  /** Null: it has none. */
  readonly tenantConfig: (tenantId: string) => Effect.Effect<RawConfig | null, PlatformError>
}

const makeLive = Effect.gen(function* () {
  const config = yield* PlatformConfig
  const { instance } = yield* Replica
  if (!config.tektonEnabled) return null
  const limits = { timeout: config.requestTimeout, bytesMax: config.answerBytesMax }
  const credentials = yield* ClientCredentials.make({
    system,
    client: config.tekton,
    scope: "kaa:application:read kaa:tenant:configuration:read",
    limits
  })
  const { get } = SystemClient.make({ system, url: config.tektonUrl, credentials, limits })
  const name = encodeURIComponent(instance)
  const malformed = (detail: string) => new PlatformError({ system, reason: "Malformed", detail, isRetryable: false })

  const appConfigs = Effect.gen(function* () {
    const what = "app-configs"
    const found = yield* get(`/api/v1/app-configs?serviceInstanceName=${name}`, what, AppConfigs)
    if (found === null) return yield* malformed(`${what}, status 404`)
    const ours = Object.hasOwn(found, instance) ? found[instance] : undefined
    // Nothing of this instance in it: no application has configuration of ours.
    if (ours === undefined && Object.keys(found).length > 0) return yield* malformed(`${what}, of another instance`)
    return new Map(Object.entries(ours?.kaa.applications ?? {}))
  })

  const applicationsOf = Effect.fnUntraced(function* (tenantId: string) {
    const what = "applications"
    const names = new Set<string>()
    for (;;) {
      const from = names.size === 0 ? "" : `&offset=${names.size}`
      const page = yield* get(
        `/api/v1/applications?tenantId=${encodeURIComponent(tenantId)}${from}`,
        what,
        Applications
      )
      if (page === null) return yield* malformed(`${what}, status 404`)
      const before = names.size
      for (const one of page.content) names.add(one.name)
      if (names.size - before !== page.content.length) return yield* malformed(`${what}, an application twice`)
      if (names.size === page.totalElements) return Array.from(names)
      if (names.size > page.totalElements || page.content.length === 0) {
        return yield* malformed(`${what}, the pages do not add up`)
      }
    }
  })

  const client: TektonClient = {
    appConfigs,
    applicationsOf,
    appConfig: (appName) =>
      get(
        `/api/v1/app-configs/applications/${encodeURIComponent(appName)}?serviceInstanceName=${name}`,
        "app-configs of one application",
        Config
      ),
    tenantConfig: (tenantId) =>
      get(
        `/api/v1/tenant-configs?serviceInstanceName=${name}&tenantId=${encodeURIComponent(tenantId)}`,
        "tenant-configs",
        Config
      )
  }
  return client
})

/** Null where Tekton is not enabled. */
export class Tekton extends Context.Service<Tekton, { readonly client: TektonClient | null }>()("cm/platform/Tekton") {
  static readonly layer = Layer.effect(
    this,
    Effect.map(makeLive, (client) => ({ client }))
  )
}
