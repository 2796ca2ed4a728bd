/**
 * The platform around us, live: reads the Tenant Manager and Tekton at the start, now and then, and when
 * their events say so; keeps what was read; answers for both.
 *
 * Promises: a start while they are away serves what was known; a reading that fails changes nothing and
 * is tried again with growing pauses; no validation ever waits for either of them.
 */
import { Clock, Duration, Effect, Layer, Metric, Schedule, Semaphore } from "effect"
import * as errors from "../../domain/errors.ts"
import { globalTenantId, tenantIdPattern } from "../../domain/Names.ts"
import * as Loop from "../../observability/Loop.ts"
import { Replica } from "../../observability/Replica.ts"
import { PlatformConfig } from "../../platform/PlatformConfig.ts"
import { PlatformStore } from "../../store/PlatformStore.ts"
import { Sweeps } from "../../store/Sweeps.ts"
import { type ConfigurationChange, Platform, type PlatformShape } from "../tenant/Platform.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"
import * as ApplicationReading from "./ApplicationReading.ts"
import { announceInboxGap } from "./announceInboxGap.ts"
import { endTenant } from "./endTenant.ts"
import * as LiveSettings from "./LiveSettings.ts"
import * as TenantReading from "./TenantReading.ts"
import * as Told from "./Told.ts"
import * as Wanted from "./Wanted.ts"
import * as WithdrawalSweep from "./WithdrawalSweep.ts"
import { watchInbox } from "./watchInbox.ts"

/** The start waits so long for what can be read, and goes on without it. */
const startLimit = Duration.seconds(3)
const pauses = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]).pipe(Schedule.jittered)
/** What an event asks for is tried again sooner: 100 ms, doubling to 5 s. */
const eventPauses = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)
/** Requests that name tenants nobody knows lead to one question in so long. */
const newTenantEvery = Duration.seconds(2)
const newTenantLimit = Duration.seconds(5)

/** Longer than a look at the inbox takes and a replica that died is waited for. */
const inboxClaimMs = 10_000

const gaps = Metric.counter("cm_inbox_gaps_total", {
  description: "Times that events of other services may have been lost",
  incremental: true
})

/** For whoever tries again: something is away. */
const away = (part: string) => (error: TenantReading.ReadingError) =>
  error._tag === "PlatformError"
    ? new errors.Unavailable({ part, committed: false })
    : error._tag === "StoreUnavailable"
      ? new errors.Unavailable({ part: "database", committed: false })
      : error

const make = Effect.gen(function* () {
  const config = yield* PlatformConfig
  const store = yield* PlatformStore
  const sweeps = yield* Sweeps
  const { process } = yield* Replica
  const actors = yield* TenantActors
  const events = yield* EventWriter
  const told = yield* Told.make
  const settings = yield* LiveSettings.make(told)
  const tenantReading = yield* TenantReading.make(told)
  const applicationReading = yield* ApplicationReading.make(told, settings)
  const oneTenant = yield* Semaphore.make(1)
  yield* WithdrawalSweep.make

  const noted = <A>(system: Told.System, reading: Effect.Effect<A, TenantReading.ReadingError>) =>
    reading.pipe(
      Effect.tap(() => told.outcome(system, null)),
      Effect.tapError((error) => told.outcome(system, error._tag === "PlatformError" ? error.message : error._tag))
    )
  const readTenants = (only: string | null) =>
    noted("tenant-manager", tenantReading.read(only).pipe(oneTenant.withPermits(1)))
  const readApplications = (scope: ApplicationReading.Scope) =>
    applicationReading.isThere ? noted("tekton", applicationReading.read(scope)) : Effect.void

  // ---- what events ask for, in the background
  /** A tenant that only Tekton has told us of is asked for before its applications are. */
  const knowTenant = (tenantId: string) =>
    Effect.gen(function* () {
      const [found] = yield* store.tenants([tenantId])
      if (found?.row !== "served" && tenantReading.isThere) yield* readTenants(tenantId)
    })
  const applications = yield* Wanted.make("tekton by events", {
    keyOf: ({ appName, tenantId }: ApplicationReading.Scope) => `${tenantId ?? ""} ${appName ?? ""}`,
    everything: ApplicationReading.everything,
    read: (scope) =>
      Effect.andThen(scope.tenantId === null ? Effect.void : knowTenant(scope.tenantId), readApplications(scope)),
    pauses: eventPauses
  })
  const wantApplications = (scope: ApplicationReading.Scope) =>
    applicationReading.isThere ? applications.want(scope) : Effect.void
  const ofTenant = (tenantId: string) => wantApplications({ tenantId, appName: null })
  const tenants = yield* Wanted.make<string | null>("tenant manager by events", {
    keyOf: (tenantId) => tenantId ?? "",
    everything: null,
    read: (only) =>
      Effect.andThen(
        tenantReading.isThere ? readTenants(only) : Effect.void,
        only === null ? wantApplications(ApplicationReading.everything) : ofTenant(only)
      ),
    pauses: eventPauses
  })

  // ---- at the start, and now and then
  const everyTenant = Effect.asVoid(readTenants(null))
  const everyApplication = readApplications(ApplicationReading.everything)
  const keepReading = (
    name: string,
    reading: Effect.Effect<void, TenantReading.ReadingError>,
    every: Duration.Duration
  ) =>
    Effect.forkScoped(
      Loop.forever(name, Effect.andThen(Effect.sleep(every), reading).pipe(Effect.retry(pauses), Effect.ignore))
    )
  const atStart = (name: string, reading: Effect.Effect<void, TenantReading.ReadingError>, every: Duration.Duration) =>
    Effect.gen(function* () {
      const first = yield* reading.pipe(
        Effect.timeoutOption(startLimit),
        Effect.option,
        Effect.map((ended) => ended._tag === "Some" && ended.value._tag === "Some"),
        Effect.catchDefect((defect) => Effect.as(Effect.logError("a reading at the start met a bug", defect), false))
      )
      // What is away at the start is tried again, in the background; a bug waits for the next reading.
      if (!first) yield* Effect.forkScoped(Effect.exit(Effect.retry(reading, pauses)))
      yield* keepReading(name, reading, every)
    })
  if (tenantReading.isThere) yield* atStart("tenant manager", everyTenant, config.tenantManager.every)
  if (applicationReading.isThere) yield* atStart("tekton", everyApplication, config.tekton.every)

  // ---- a tenant that nobody knows
  let askedAt = Number.NEGATIVE_INFINITY
  const askForNew = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now - askedAt < Duration.toMillis(newTenantEvery)) return
    askedAt = now
    for (const tenantId of yield* readTenants(null)) yield* ofTenant(tenantId)
  })
  const oneAsks = yield* Semaphore.make(1)
  const newTenant: PlatformShape["newTenant"] = (tenantId) => {
    if (!tenantReading.isThere || !tenantIdPattern.test(tenantId)) return Effect.succeed(false)
    const isServed = Effect.map(store.tenants([tenantId]), ([found]) => found?.row === "served")
    return isServed.pipe(
      Effect.flatMap((isThere) =>
        isThere ? Effect.succeed(true) : askForNew.pipe(oneAsks.withPermits(1), Effect.andThen(isServed))
      ),
      Effect.timeoutOrElse({ duration: newTenantLimit, orElse: () => Effect.succeed(false) }),
      Effect.orElseSucceed(() => false)
    )
  }

  // ---- events
  const stored = <A>(effect: Effect.Effect<A, Parameters<ReturnType<typeof away>>[0]>) =>
    Effect.mapError(effect, away("database"))
  /** Who waits for another system holds up what others have to say: the reading comes afterwards. */
  const tenantUpdated: PlatformShape["tenantUpdated"] = (tenantId, at) =>
    Effect.andThen(stored(store.markNamed(tenantId, at)), tenants.want(tenantId))
  const tenantUnregistered: PlatformShape["tenantUnregistered"] = (tenantId, at, remove) =>
    endTenant({
      markEnded: stored(store.markEnded(tenantId, at)),
      markDone: stored(store.markEndDone(tenantId, at)),
      remove
    })

  const configurationChanged = ({ appName, tenantId, type, version }: ConfigurationChange) => {
    if (!applicationReading.isThere) return Effect.void
    if (tenantId === null) return wantApplications(ApplicationReading.everything)
    if (!tenantIdPattern.test(tenantId) || tenantId === globalTenantId) {
      return told.refuse("tekton", "unknown_tenant", { tenantId: tenantId.slice(0, 64) })
    }
    if (appName === null) return ofTenant(tenantId)
    if (type === "delete" && version === null) {
      return stored(applicationReading.deleted(tenantId, appName))
    }
    if (type === "upsert") applicationReading.named(appName)
    return wantApplications({ tenantId, appName })
  }

  // ---- the inbox
  const inboxStands: PlatformShape["inboxStands"] = watchInbox({
    claim: stored(sweeps.claim("inbox", process, inboxClaimMs)),
    seen: stored(store.inboxSeen),
    now: stored(store.now),
    save: (seen) => stored(store.saveInboxSeen(seen)),
    tell: (gap, since) =>
      Effect.gen(function* () {
        yield* Metric.update(gaps, 1)
        yield* Effect.logError("events of other services may have been lost").pipe(Effect.annotateLogs({ reason: gap }))
        yield* actors.ask(globalTenantId, announceInboxGap(gap, since, events, TenantReading.caller("sweep")))
      })
  })

  const report = Effect.sync(() => ({
    tekton: applicationReading.isThere ? told.reportOf("tekton", config.tektonUrl) : null,
    tenantManager: tenantReading.isThere ? told.reportOf("tenant-manager", config.tenantManagerUrl) : null,
    applications: settings.shown("application"),
    tenants: settings.shown("tenant"),
    refused: told.refusals()
  }))
  const platform: PlatformShape = {
    owner: {
      tenants: tenantReading.isThere ? "the Tenant Manager" : null,
      applications: applicationReading.isThere ? "Tekton" : null
    },
    newTenant,
    tenantUpdated,
    tenantUnregistered,
    configurationChanged,
    inboxStands,
    report
  }
  return platform
})

export const layer = Layer.effect(Platform, make)
