/**
 * Reads Tekton, and carries out what follows: applications that are new, gone or back, and configuration.
 *
 * What lacks is gone only when it was known before and everything was read whole; a reading of a part that misses something
 * becomes a reading of everything. One reading or deletion at a time on a replica, and the names that an `upsert` gave are
 * looked at and forgotten in their turn: what a reading knows of before a `delete` is not carried out after it.
 */
import { Clock, Effect, Semaphore } from "effect"
import { globalTenantId, tenantIdPattern } from "../../domain/Names.ts"
import { type TenantLimitName, tenantLimitNames } from "../../domain/PlatformSettings.ts"
import {
  type ApplicationDecision,
  decideApplications,
  decideDeleted,
  type KnownApplication,
  type TektonRead
} from "../../platform/decideApplications.ts"
import type { PlatformError } from "../../platform/PlatformError.ts"
import { type RawConfig, Tekton, type TektonClient } from "../../platform/Tekton.ts"
import { parseApplicationConfig, parseTenantConfig } from "../../schema/TektonJson.ts"
import { type ApplicationRow, PlatformStore, type SettingsRow } from "../../store/PlatformStore.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { type ChangeError, Tenants } from "../tenant/Tenants.ts"
import { putBackIntoService, takeOutOfService } from "../tokens/commands/service.ts"
import type { SettingsRead } from "./decideSettings.ts"
import type { LiveSettings } from "./LiveSettings.ts"
import { caller } from "./TenantReading.ts"
import type { Told } from "./Told.ts"
import * as Upserted from "./Upserted.ts"

const system = "tekton"
const listsAtOnce = 8
const namesToldMax = 1_000

/** `tenantId` null: everything; `appName` null: all of the tenant. */
export interface Scope {
  readonly tenantId: string | null
  readonly appName: string | null
}
export const everything: Scope = { tenantId: null, appName: null }

const knownOf = (rows: ReadonlyArray<ApplicationRow>): ReadonlyMap<string, KnownApplication> =>
  new Map(rows.map(({ appName, isRemoved, out, tenantId }) => [appName, { tenantId, isRemoved, out }]))

export const make = Effect.fnUntraced(function* (told: Told, settings: LiveSettings) {
  const { client } = yield* Tekton
  const store = yield* PlatformStore
  const tenants = yield* Tenants
  const actors = yield* TenantActors
  const upserted = yield* Upserted.make
  const one = yield* Semaphore.make(1)
  const keysTold = new Set<string>()

  const carryOut = (decision: ApplicationDecision, at: number): Effect.Effect<void, ChangeError> => {
    const { appName, tenantId } = decision
    switch (decision._tag) {
      case "Register":
        return Effect.asVoid(tenants.registerApplication(tenantId, appName, caller("scmp"))).pipe(
          Effect.catchTag("ApplicationExists", () => told.refuse(system, "being_removed", { tenantId, appName })),
          Effect.catchTag("TenantNotFound", () => Effect.void)
        )
      case "TakeOut":
        return Effect.asVoid(actors.ask(tenantId, takeOutOfService(appName, decision.reason, at, caller("scmp")))).pipe(
          Effect.catchTag("TenantNotFound", () => Effect.void)
        )
      case "PutBack":
        return Effect.asVoid(actors.ask(tenantId, putBackIntoService(appName, at, caller("scmp")))).pipe(
          Effect.catchTag("TenantNotFound", () => Effect.void)
        )
      case "Refuse":
        return told.refuse(system, decision.reason, tenantId === "" ? { appName } : { tenantId, appName })
    }
  }

  /** A tenant's limits are its own settings: what Tekton does not name has its default. */
  const limitTenant = (row: SettingsRow) => {
    if (row.kind !== "tenant" || row.refused !== null) return Effect.void
    const given = row.settings === null ? {} : (JSON.parse(row.settings) as Partial<Record<TenantLimitName, number>>)
    const limits = Object.fromEntries(tenantLimitNames.map((name) => [name, given[name] ?? null]))
    return Effect.asVoid(tenants.configureTenant(row.name, { limits }, caller("scmp"))).pipe(
      Effect.catchTag("TenantNotFound", () => Effect.void)
    )
  }

  /** What does not know a key says so once. */
  const tellKeys = (kind: string, name: string, keys: ReadonlyArray<string>) => {
    const news = keys.filter((key) => keysTold.size < namesToldMax && !keysTold.has(`${kind} ${key}`))
    for (const key of news) keysTold.add(`${kind} ${key}`)
    return news.length === 0
      ? Effect.void
      : Effect.logInfo("configuration has keys that are not known and are ignored").pipe(
          Effect.annotateLogs({ kind, name, keys: news.join(", ") })
        )
  }
  const settingsRead = Effect.fnUntraced(function* (
    kind: "application" | "tenant",
    name: string,
    tenantId: string,
    raw: RawConfig | null,
    at: number
  ) {
    const parsed = raw === null ? null : kind === "application" ? parseApplicationConfig(raw) : parseTenantConfig(raw)
    if (parsed !== null && "unknownKeys" in parsed) yield* tellKeys(kind, name, parsed.unknownKeys)
    return { kind, name, tenantId, parsed, at } satisfies SettingsRead
  })

  const readLists = Effect.fnUntraced(function* (from: TektonClient, tenantIds: ReadonlyArray<string>) {
    let problem: PlatformError | null = null
    const lists = yield* Effect.forEach(
      tenantIds,
      (tenantId) =>
        Effect.all([from.applicationsOf(tenantId), from.tenantConfig(tenantId)], { concurrency: 2 }).pipe(
          Effect.map(([names, config]) => [{ tenantId, names, config }]),
          Effect.catch((error) => {
            problem = error
            return Effect.succeed([])
          })
        ),
      { concurrency: listsAtOnce }
    )
    return { lists: lists.flat(), problem: problem as PlatformError | null }
  })

  const configsOf = (from: TektonClient, { appName }: Scope) =>
    appName === null
      ? from.appConfigs
      : Effect.map(
          from.appConfig(appName),
          (config): ReadonlyMap<string, RawConfig> => (config === null ? new Map() : new Map([[appName, config]]))
        )

  const reading = Effect.fnUntraced(function* (from: TektonClient, scope: Scope, named: ReadonlySet<string>) {
    const at = yield* store.now
    const begun = yield* Clock.currentTimeMillis
    const served = (yield* store.tenants(null)).flatMap(({ row, tenantId }) =>
      row === "served" && tenantId !== globalTenantId ? [tenantId] : []
    )
    if (scope.tenantId !== null && !served.includes(scope.tenantId)) {
      yield* told.refuse(system, "unknown_tenant", { tenantId: scope.tenantId })
      return false
    }
    const asked = scope.tenantId === null ? served : [scope.tenantId]
    // Before the answers: an application that is made meanwhile may lack in them, and is not gone.
    const before = yield* store.applicationsOf(asked)
    const configs = yield* configsOf(from, scope)
    const { lists, problem } = yield* readLists(from, asked)
    if (lists.length === 0 && problem !== null) return yield* problem
    const names = Array.from(new Set([...lists.flatMap((list) => list.names), ...configs.keys()]))
    const isKnown = new Set(before.map(({ appName }) => appName))
    const rows = [...before, ...(yield* store.applicationsNamed(names.filter((name) => !isKnown.has(name))))]
    const read: TektonRead = {
      lists: new Map(lists.map(({ names, tenantId }) => [tenantId, names])),
      // Of a part, whose configuration the rest is cannot be said.
      configured:
        scope.tenantId === null || scope.appName !== null
          ? new Set(configs.keys())
          : configuredOf(configs, lists, rows),
      isWhole: scope.tenantId === null && problem === null,
      named,
      only: scope.appName
    }
    const { decisions, needsWhole } = decideApplications(knownOf(rows), read)
    for (const decision of decisions) yield* carryOut(decision, at)
    yield* applySettings(scope, lists, configs, at)
    if (read.isWhole) yield* told.forget(system, begun)
    if (problem !== null) return yield* problem
    return needsWhole
  })

  const applySettings = Effect.fnUntraced(function* (
    scope: Scope,
    lists: ReadonlyArray<{ readonly tenantId: string; readonly config: RawConfig | null }>,
    configs: ReadonlyMap<string, RawConfig>,
    at: number
  ) {
    const owned = yield* store.applicationsOf(lists.map(({ tenantId }) => tenantId))
    const reads: Array<SettingsRead> = []
    for (const { appName, tenantId } of owned) {
      if (scope.appName !== null && scope.appName !== appName) continue
      reads.push(yield* settingsRead("application", appName, tenantId, configs.get(appName) ?? null, at))
    }
    for (const { config, tenantId } of lists) {
      if (scope.appName === null) reads.push(yield* settingsRead("tenant", tenantId, tenantId, config, at))
    }
    yield* settings.apply(reads, limitTenant)
  })

  const read = Effect.fnUntraced(function* (scope: Scope) {
    if (client === null) return
    yield* upserted.during(scope.appName, (named) =>
      Effect.flatMap(reading(client, scope, named), (needsWhole) =>
        needsWhole ? reading(client, everything, named) : Effect.void
      )
    )
  }, one.withPermits(1))

  /** 17/SCMP `delete` of an application's configuration. */
  const deleted = Effect.fnUntraced(function* (tenantId: string, appName: string) {
    if (client === null) return
    upserted.forget(appName)
    const at = yield* store.now
    const known = knownOf(yield* store.applicationsNamed([appName])).get(appName)
    const decision = decideDeleted(known, tenantId, appName)
    if (decision !== null) yield* carryOut(decision, at)
    if (known?.tenantId === tenantId) {
      yield* settings.apply([yield* settingsRead("application", appName, tenantId, null, at)], limitTenant)
    }
  }, one.withPermits(1))

  return {
    read,
    deleted,
    /** 17/SCMP `upsert` named it: the next reading that comprises it may put it back. */
    named: upserted.add,
    isThere: client !== null,
    mayName: (tenantId: string) => tenantIdPattern.test(tenantId)
  }
})
export type ApplicationReading = Effect.Success<ReturnType<typeof make>>

/** Names with configuration that are these tenants' by what was read or is known. */
const configuredOf = (
  configs: ReadonlyMap<string, RawConfig>,
  lists: ReadonlyArray<{ readonly names: ReadonlyArray<string> }>,
  rows: ReadonlyArray<ApplicationRow>
): ReadonlySet<string> => {
  const theirs = new Set([...lists.flatMap(({ names }) => names), ...rows.map(({ appName }) => appName)])
  return new Set(Array.from(configs.keys()).filter((appName) => theirs.has(appName)))
}
