/**
 * Keeps `Limits` equal to the tenants' rows. A change says what the limits are: they hold on a replica when the
 * change is applied there, so on every one when it is answered. Beside that all are read at the start and now
 * and then, for what a replica did not hear while it had no lease. While MariaDB is away, what was known holds.
 *
 * What is read may be from before a change that was applied meanwhile: then it is read again. What is configured in
 * a row that was changed outside of the service is not taken: what was known holds, or the defaults, and it is told.
 */
import { Effect, Layer, Metric, Queue } from "effect"
import { Keyring } from "../../crypto/Keyring.ts"
import type { Tenant } from "../../domain/Tenant.ts"
import * as Loop from "../../observability/Loop.ts"
import { TenantStore } from "../../store/TenantStore.ts"
import { Limits } from "../tenant/Limits.ts"
import { rowsChanged, settingsHold } from "../tenant/RowTagging.ts"
import { HotState } from "./HotState.ts"

const lookEvery = "30 seconds"
const pageMax = 1_000
/** Changes that wait to be read; what comes beyond is read with all. */
const changedMax = 10_000

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const store = yield* TenantStore
    const limits = yield* Limits
    const keyring = yield* Keyring
    const beliefs = yield* HotState
    const changed = yield* Queue.dropping<string>(changedMax)
    /** By tenant, the newest change that was applied: an older one that comes later says nothing. */
    const newest = new Map<string, number>()
    let changes = 0
    /** Tenants whose row does not hold, told once each. */
    const told = new Set<string>()
    const take = (tenant: Tenant): Effect.Effect<void> => {
      const { removedAt, settings, tenantId } = tenant
      if (removedAt !== null || settingsHold(tenant, keyring)) {
        told.delete(tenantId)
        limits.setUnsafe(tenantId, removedAt === null ? (settings?.limits ?? {}) : {})
        return Effect.void
      }
      if (told.has(tenantId) || told.size >= changedMax) return Effect.void
      told.add(tenantId)
      return Effect.andThen(
        Metric.update(Metric.withAttributes(rowsChanged, { kind: "tenant" }), 1),
        Effect.logError(
          "the row of a tenant was changed outside of the service, and its limits are not taken from it",
          {
            tenantId
          }
        )
      )
    }
    /** What was read, when nothing changed since it was asked for; null: it may be old. */
    const unchanged = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A | null, E> =>
      Effect.suspend(() => {
        const before = changes
        return Effect.map(read, (found) => (before === changes ? found : null))
      })

    const all = Effect.gen(function* () {
      let after: string | null = null
      let isOver = false
      do {
        const page: { readonly content: ReadonlyArray<Tenant>; readonly next: string | null } | null = yield* unchanged(
          store.listTenants({ limit: pageMax, after })
        )
        if (page === null) continue
        yield* Effect.forEach(page.content, take, { discard: true })
        after = page.next
        isOver = after === null
      } while (!isOver)
    })
    const one = Effect.flatMap(Queue.take(changed), (tenantId) =>
      Effect.flatMap(unchanged(store.findTenants([tenantId])), (found) => {
        if (found !== null) return Effect.forEach(found, take, { discard: true })
        return Effect.sync(() => void Queue.offerUnsafe(changed, tenantId))
      })
    )

    beliefs.listen({
      applicationGone: () => {},
      applicationAppeared: () => {},
      tenantGone: (tenantId) => {
        changes++
        newest.delete(tenantId)
        limits.setUnsafe(tenantId, {})
      },
      settingsChanged: (tenantId, own, seq) => {
        changes++
        if (own === undefined || seq === null) Queue.offerUnsafe(changed, tenantId)
        else if (seq > (newest.get(tenantId) ?? 0)) {
          newest.set(tenantId, seq)
          limits.setUnsafe(tenantId, own)
        }
      }
    })
    // A bug in it is no reason not to start: it is looked again, and told each time.
    yield* Effect.ignore(all).pipe(
      Effect.catchDefect((defect) => Effect.logError("the limits of tenants could not be read at the start", defect))
    )
    yield* Effect.forkScoped(Loop.forever("tenants' limits", Effect.ignore(one)))
    yield* Effect.forkScoped(
      Loop.forever("all tenants' limits", Effect.andThen(Effect.sleep(lookEvery), Effect.ignore(all)))
    )
  })
)
