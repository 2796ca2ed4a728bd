/**
 * The work on credentials and audits that nobody asked for by request, in pieces.
 *
 * `rotation` decides when; each call here does one piece and answers how much it found, so that the
 * caller goes on while there is more. What is changed goes through the tenant's actor, which looks at
 * the rows again: two replicas that do the same piece do it once.
 */
import { Clock, Context, Duration, Effect, Layer, Metric } from "effect"
import { AuditStore } from "../store/AuditStore.ts"
import { type CredentialRef, CredentialStore } from "../store/CredentialStore.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import * as Audit from "./Audit.ts"
import type { Command } from "./Command.ts"
import { endOverlaps, expireAll, notify, purge, recordCounted } from "./CredentialEndings.ts"
import { CredentialEvents } from "./CredentialEvents.ts"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import * as DescribeCache from "./DescribeCache.ts"
import { Refusals } from "./Refusals.ts"
import { TenantActors } from "./TenantActors.ts"
import type { Caller, ChangeError } from "./Tenants.ts"

/** Rows that one piece looks at. */
const pieceMax = 500
const tenantsAtOnce = 8
const servicesShownMax = 200

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
    /** Refusals that were counted here long enough: written. Needs no claim; counts are this replica's. */
    readonly writeRefusals: (options: { readonly all: boolean }) => Effect.Effect<number, SweepError>
    /** Heads of audit chains that have moved: signed and announced. */
    readonly checkpoint: Effect.Effect<number, SweepError>
    /** Reads the gauges of credentials from the database. */
    readonly measure: Effect.Effect<void, SweepError>
  }
>()("cm/actors/CredentialSweeps") {}

const caller: Caller = { principal: "service", correlationId: "sweep", idempotency: null }

// ---- metrics -------------------------------------------------------------------
const active = Metric.gauge("credential_active_total", { description: "Active credentials, by service" })
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
  const audit = yield* Audit.make
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

  const writeRefusals = Effect.fnUntraced(function* ({ all }: { readonly all: boolean }) {
    const now = yield* Clock.currentTimeMillis
    const counted = refusals.take(all ? Number.MAX_SAFE_INTEGER : now - windowMs)
    yield* Effect.forEach(
      counted,
      ({ entries, tenantId }) => goingOn(tenantId, Effect.asVoid(actors.ask(tenantId, recordCounted(entries, caller)))),
      { concurrency: tenantsAtOnce, discard: true }
    )
    return counted.length
  })

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
    const counts = new Map(
      (yield* store.activeCounts(servicesShownMax)).map(({ count, serviceName }) => [serviceName, count])
    )
    for (const serviceName of counts.keys()) shownServices.add(serviceName)
    for (const service of shownServices) {
      yield* Metric.update(Metric.withAttributes(active, { service }), counts.get(service) ?? 0)
    }
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
