/**
 * The work on credentials and audits that nobody asked for by request, in pieces.
 *
 * `rotation` decides when; each call here does one piece and answers how much it found, so that the
 * caller goes on while there is more. What is changed goes through the tenant's actor, which looks at
 * the rows again: two replicas that do the same piece do it once.
 */

import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Metric, Option, Schedule } from "effect"
import { servicePrincipal } from "../../domain/Principal.ts"
import { AuditStore } from "../../store/AuditStore.ts"
import { type CredentialRef, CredentialStore } from "../../store/CredentialStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import * as AuditCheckpoints from "../audit/Checkpoints.ts"
import type { Command } from "../tenant/Command.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import * as DescribeCache from "./DescribeCache.ts"
import { endOverlaps, expireAll, notify, purge, recordCounted } from "./Endings.ts"
import { CredentialEvents } from "./Events.ts"
import type { RefusalBatch } from "./RefusalLedger.ts"
import { Refusals } from "./Refusals.ts"

/** Rows that one piece looks at. */
const pieceMax = 500
const tenantsAtOnce = 8
/** Services with a series of their own: one that was made stays in memory. What comes later counts as `others`. */
export const servicesShownMax = 200
const servicesCountedMax = 1_000
/** No service's name has a parenthesis. */
export const others = "(others)"
/** How long an orderly stop tries to write the refusals that were counted. */
const stopLimit = "5 seconds"
const stopRetry = "200 millis"

export type SweepError = ChangeError | StoreUnavailable

export class CredentialSweeps extends Context.Service<
  CredentialSweeps,
  {
    /** Credentials whose end has come: marked as expired and announced. Answers how many were found. */
    readonly expire: Effect.Effect<number, SweepError>
    /** Secrets kept for an overlap that is over: wiped. */
    readonly endOverlaps: Effect.Effect<number, SweepError>
    /** Credentials of removed tenants: deleted, so that the tenant's own row may go and its name be free. */
    readonly purge: Effect.Effect<number, SweepError>
    /** Notices that are due: announced, once each. */
    readonly notify: Effect.Effect<number, SweepError>
    /**
     * Refusals that were counted here long enough: written. Needs no claim; counts are this replica's.
     * What could not be written is counted on; what may be written already is written once all the
     * same. When the layer is released, all that is left is written first.
     */
    readonly writeRefusals: (options: { readonly all: boolean }) => Effect.Effect<number>
    /** Heads of audit chains that have moved: signed and announced. */
    readonly checkpoint: Effect.Effect<number, SweepError>
    /** Reads the gauges of credentials from the database. */
    readonly measure: Effect.Effect<void, SweepError>
  }
>()("cm/actors/CredentialSweeps") {}

const caller: Caller = { ...servicePrincipal("service"), correlationId: "sweep", idempotency: null }

// ---- metrics -------------------------------------------------------------------
const active = Metric.gauge("credential_active_total", {
  description: "Active credentials, by service; services beyond the first 1,000 are left out"
})
const expired = Metric.counter("credential_expired_total", {
  description: "Credentials that this replica found to have ended",
  incremental: true
})
const notices = Metric.counter("credential_expiring_total", {
  description: "Notices given before the end of a credential",
  incremental: true
})
const checkpoints = Metric.counter("cm_audit_checkpoints_total", {
  description: "Heads of audit chains that were signed",
  incremental: true
})

/** What became of a batch of counted refusals, from what its asker was answered. */
const becameOf = (
  exit: Exit.Exit<number, ChangeError>
): "written" | "not written" | "nowhere to write" | "not known" => {
  if (Exit.isSuccess(exit)) return "written"
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isNone(error)) return "not known"
  switch (error.value._tag) {
    case "TenantNotFound":
      return "nowhere to write"
    case "TooManyRequests":
      return "not written"
    case "Unavailable":
      return error.value.committed === null ? "not known" : error.value.committed ? "written" : "not written"
    default:
      return "not known"
  }
}

const byTenant = (refs: ReadonlyArray<CredentialRef>): ReadonlyArray<readonly [string, ReadonlyArray<string>]> =>
  Array.from(
    Map.groupBy(refs, ({ tenantId }) => tenantId),
    ([tenantId, found]) => [tenantId, Array.from(new Set(found.map(({ credentialId }) => credentialId)))]
  )

const make = Effect.gen(function* () {
  const actors = yield* TenantActors
  const store = yield* CredentialStore
  const auditStore = yield* AuditStore
  const events = yield* CredentialEvents
  const refusals = yield* Refusals
  const { noticesMs, refusalWindow } = yield* CredentialsConfig
  const describeCache = yield* DescribeCache.make
  const audit = yield* AuditCheckpoints.make
  const windowMs = Duration.toMillis(refusalWindow)
  const shownServices = new Set<string>()

  /** Work for one tenant; when it fails, a bug included, it is said and the others go on. Answers whether it was done. */
  const goingOn = <E extends { readonly _tag: string }>(tenantId: string, work: Effect.Effect<void, E>) =>
    work.pipe(
      Effect.as(true),
      Effect.catch((error) =>
        error._tag === "TenantNotFound"
          ? Effect.succeed(false)
          : Effect.as(Effect.logWarning("a tenant's credentials wait for the next turn", { error: error._tag }), false)
      ),
      Effect.catchDefect((defect) => Effect.as(Effect.logError("a sweep of credentials died", defect), false)),
      Effect.annotateLogs({ tenantId })
    )

  /** One command for each tenant of the piece; a tenant that fails leaves its rows for the next time. Answers how many rows were done. */
  const perTenant = <A>(
    refs: ReadonlyArray<CredentialRef>,
    command: (credentialIds: ReadonlyArray<string>) => Command<A>,
    after: (tenantId: string, answer: A) => Effect.Effect<void>
  ) =>
    Effect.forEach(
      byTenant(refs),
      ([tenantId, credentialIds]) =>
        goingOn(
          tenantId,
          Effect.flatMap(actors.ask(tenantId, command(credentialIds)), (answer) => after(tenantId, answer))
        ).pipe(Effect.map((done) => (done ? credentialIds.length : 0))),
      { concurrency: tenantsAtOnce }
    ).pipe(Effect.map((counts) => counts.reduce((sum, count) => sum + count, 0)))

  const expire = Effect.gen(function* () {
    const refs = yield* store.ended(pieceMax)
    return yield* perTenant(
      refs,
      (ids) => expireAll(ids, events, caller),
      (tenantId, ended) => Effect.andThen(Metric.update(expired, ended.length), describeCache.changed(tenantId))
    )
  })

  const overlaps = Effect.gen(function* () {
    const refs = yield* store.overlapsOver(pieceMax)
    return yield* perTenant(
      refs,
      (ids) => endOverlaps(ids, caller),
      () => Effect.void
    )
  })

  const purgeRemoved = Effect.gen(function* () {
    const refs = yield* store.orphaned(pieceMax)
    return yield* perTenant(
      refs,
      (ids) => purge(ids, events, caller),
      (tenantId) => describeCache.changed(tenantId)
    )
  })

  const giveNotices = Effect.gen(function* () {
    const refs = yield* store.noticesDue(noticesMs, pieceMax)
    return yield* perTenant(
      refs,
      (ids) => notify(ids, noticesMs, events, caller),
      (_, given) => Metric.update(notices, given)
    )
  })

  // ---- counted refusals
  /** Answers whether it is written. An interruption tells nothing: the batch stays taken, and is given again. */
  const writeBatch = Effect.fnUntraced(function* (batch: RefusalBatch) {
    const exit = yield* Effect.exit(actors.ask(batch.tenantId, recordCounted(batch, caller)))
    switch (becameOf(exit)) {
      case "written":
        refusals.written(batch)
        return true
      case "not written":
        refusals.notWritten(batch)
        return false
      case "nowhere to write":
        refusals.written(batch)
        yield* Effect.logWarning("counted refusals of a tenant that is gone", {
          tenantId: batch.tenantId,
          rows: batch.entries.length
        })
        return true
      case "not known":
        return false
    }
  })
  const writeRefusals = Effect.fnUntraced(function* ({ all }: { readonly all: boolean }) {
    const now = yield* Clock.currentTimeMillis
    const batches = refusals.take(all ? Number.MAX_SAFE_INTEGER : now - windowMs)
    const done = yield* Effect.forEach(batches, writeBatch, { concurrency: tenantsAtOnce })
    const waiting = done.filter((isDone) => !isDone).length
    if (waiting > 0) yield* Effect.logWarning("counted refusals wait for the next turn", { batches: waiting })
    return done.length - waiting
  })
  /** Nothing is refused any more when this is released: what was counted is written, or said to be lost. */
  yield* Effect.addFinalizer(() =>
    writeRefusals({ all: true }).pipe(
      Effect.repeat({ while: () => refusals.countedUnsafe() > 0, schedule: Schedule.spaced(stopRetry) }),
      Effect.timeoutOption(stopLimit),
      Effect.andThen(
        Effect.suspend(() => {
          const lost = refusals.countedUnsafe()
          return lost === 0
            ? Effect.void
            : Effect.logError("counted refusals could not be written before the end", { refusals: lost })
        })
      )
    )
  )

  const checkpointOne = Effect.fnUntraced(function* (tenantId: string) {
    const command = yield* audit.checkpoint(tenantId, caller)
    if (command === null) return
    yield* actors.ask(tenantId, command)
    yield* Metric.update(checkpoints, 1)
  })
  const checkpoint = Effect.gen(function* () {
    const tenantIds = yield* auditStore.uncheckpointed(pieceMax)
    const done = yield* Effect.forEach(tenantIds, (tenantId) => goingOn(tenantId, checkpointOne(tenantId)), {
      concurrency: tenantsAtOnce
    })
    return done.filter(Boolean).length
  })

  const measure = Effect.gen(function* () {
    const counts = new Map<string, number>(Array.from(shownServices, (service) => [service, 0]))
    for (const { count, serviceName } of yield* store.activeCounts(servicesCountedMax)) {
      if (shownServices.size < servicesShownMax) shownServices.add(serviceName)
      const service = shownServices.has(serviceName) ? serviceName : others
      counts.set(service, (counts.get(service) ?? 0) + count)
    }
    if (shownServices.size === servicesShownMax) counts.set(others, counts.get(others) ?? 0)
    for (const [service, count] of counts) yield* Metric.update(Metric.withAttributes(active, { service }), count)
  })

  return CredentialSweeps.of({
    expire,
    endOverlaps: overlaps,
    purge: purgeRemoved,
    notify: giveNotices,
    writeRefusals,
    checkpoint,
    measure
  })
})

export const layer = Layer.effect(CredentialSweeps, make)
