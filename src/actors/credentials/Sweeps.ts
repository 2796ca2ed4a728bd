/**
 * The work on credentials that nobody asked for by request, in pieces.
 *
 * `rotation` decides when; each call here does one piece and answers how much it found, so that the
 * caller goes on while there is more. What is changed goes through the tenant's actor, which looks at
 * the rows again: two replicas that do the same piece do it once.
 */

import { Clock, Context, Effect, Layer, Metric } from "effect"
import * as Seldom from "../../observability/Seldom.ts"
import { type CredentialRef, CredentialStore, type PlacedRef, type SweepPlace } from "../../store/CredentialStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import * as Background from "../tenant/Background.ts"
import type { Command } from "../tenant/Command.ts"
import { goingOn } from "../tenant/goingOn.ts"
import * as RowsAside from "../tenant/RowsAside.ts"
import { credentialChanged, tellChanged } from "../tenant/RowTagging.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import * as DescribeCache from "./DescribeCache.ts"
import { endOverlaps, expireAll, notify, purge } from "./Endings.ts"
import { CredentialEvents } from "./Events.ts"

/** Rows that one piece looks at. */
const pieceMax = 500
const tenantsAtOnce = 8
/** A row that was changed is looked at again after so long; of more than so many it is not remembered. */
const restMs = 3_600_000
const restingMax = 10_000
/** Services with a series of their own: one that was made stays in memory. What comes later counts as `others`. */
export const servicesShownMax = 200
const servicesCountedMax = 1_000
/** No service's name has a parenthesis. */
export const others = "(others)"

export type SweepError = ChangeError | StoreUnavailable

export class CredentialSweeps extends Context.Service<
  CredentialSweeps,
  {
    /** Credentials whose end has come: marked as expired and announced. Answers 0 when there is nothing more that can be done. */
    readonly expire: Effect.Effect<number, SweepError>
    /** Secrets kept for an overlap that is over: wiped. */
    readonly endOverlaps: Effect.Effect<number, SweepError>
    /** Credentials of removed tenants: deleted, so that the tenant's own row may go and its name be free. */
    readonly purge: Effect.Effect<number, SweepError>
    /** Notices that are due: announced, once each; none by a row that was changed. */
    readonly notify: Effect.Effect<number, SweepError>
    /** Reads the gauges of credentials from the database. */
    readonly measure: Effect.Effect<void, SweepError>
  }
>()("cm/actors/CredentialSweeps") {}

const sweep = Background.caller("sweep")

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
const byTenant = (refs: ReadonlyArray<CredentialRef>): ReadonlyArray<readonly [string, ReadonlyArray<string>]> =>
  Array.from(
    Map.groupBy(refs, ({ tenantId }) => tenantId),
    ([tenantId, found]) => [tenantId, Array.from(new Set(found.map(({ credentialId }) => credentialId)))]
  )

const make = Effect.gen(function* () {
  const actors = yield* TenantActors
  const store = yield* CredentialStore
  const events = yield* CredentialEvents
  const { noticesMs } = yield* CredentialsConfig
  const describeCache = yield* DescribeCache.make
  const changedRows = yield* Seldom.make
  /** Credentials of which no notice is given, since their row was changed: until when. */
  const resting = new Map<string, number>()
  const shownServices = new Set<string>()

  /** One command for each tenant of the piece; a tenant that fails leaves its rows for the next time. Answers how many rows were done. */
  const perTenant = (refs: ReadonlyArray<CredentialRef>, change: RowsAside.Change<ChangeError, never>) =>
    Effect.forEach(
      byTenant(refs),
      ([tenantId, credentialIds]) => {
        let done = 0
        const work = Effect.map(change(tenantId, credentialIds), (count) => {
          done = count
        })
        return Effect.map(goingOn("a tenant's credentials", tenantId, work), () => done)
      },
      { concurrency: tenantsAtOnce }
    ).pipe(Effect.map((counts) => counts.reduce((sum, count) => sum + count, 0)))

  /** One command for all of them; a row that it dies of is put aside. Answers how many there were. */
  const changing = <A>(
    name: string,
    command: (credentialIds: ReadonlyArray<string>, caller: Caller) => Command<A>,
    after: (tenantId: string, answer: A) => Effect.Effect<void>
  ): RowsAside.Change<ChangeError, never> =>
    RowsAside.around(name, (tenantId, credentialIds) =>
      Effect.flatMap(sweep, (caller) => actors.ask(tenantId, command(credentialIds, caller))).pipe(
        Effect.flatMap((answer) => after(tenantId, answer)),
        Effect.as(credentialIds.length)
      )
    )

  const expireOf = changing(
    "credential-expiry",
    (ids, caller) => expireAll(ids, events, caller),
    (tenantId, ended) => Effect.andThen(Metric.update(expired, ended.length), describeCache.changed(tenantId))
  )
  const endOverlapsOf = changing(
    "credential-overlaps",
    (ids, caller) => endOverlaps(ids, caller),
    () => Effect.void
  )
  const purgeOf = changing(
    "credential-removal",
    (ids, caller) => purge(ids, events, caller),
    (tenantId) => describeCache.changed(tenantId)
  )
  const notifyOf = changing(
    "credential-notices",
    (ids, caller) => notify(ids, noticesMs, events, caller),
    (tenantId, { changed, given }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        for (const credentialId of changed) if (resting.size < restingMax) resting.set(credentialId, now + restMs)
        const telling = Effect.forEach(
          changed,
          (credentialId) => tellChanged(tenantId, credentialChanged(credentialId), changedRows),
          { discard: true }
        )
        return Effect.andThen(Metric.update(notices, given), telling)
      })
  )
  /** Those that rest are found as well, so that much more is looked for: they stand before nobody. */
  const noticesDue = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    for (const [credentialId, until] of resting) if (until <= now) resting.delete(credentialId)
    const found = yield* store.noticesDue(noticesMs, pieceMax + resting.size)
    return found.filter(({ credentialId }) => !resting.has(credentialId))
  })

  /**
   * A piece of a walk along what is due: where a page is full the next piece begins behind it, whatever came of the page. So
   * rows that stay due, since nothing can be changed there, hide none behind them. From the beginning again after the last.
   */
  const walking = (
    find: (limit: number, after: SweepPlace | null) => Effect.Effect<ReadonlyArray<PlacedRef>, StoreUnavailable>,
    change: RowsAside.Change<ChangeError, never>
  ) => {
    let after: SweepPlace | null = null
    return Effect.gen(function* () {
      const found = yield* find(pieceMax, after)
      const isFull = found.length === pieceMax
      after = isFull ? found.at(-1)!.place : null
      const done = yield* perTenant(found, change)
      return isFull ? found.length : done
    })
  }
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
    expire: walking(store.ended, expireOf),
    endOverlaps: walking(store.overlapsOver, endOverlapsOf),
    purge: Effect.flatMap(store.orphaned(pieceMax), (refs) => perTenant(refs, purgeOf)),
    notify: Effect.flatMap(noticesDue, (refs) => perTenant(refs, notifyOf)),
    measure
  })
})

export const layer = Layer.effect(CredentialSweeps, make)
