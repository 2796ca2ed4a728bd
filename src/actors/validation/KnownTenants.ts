/**
 * Does this tenant exist, and what is configured for it? For what would otherwise ask MariaDB nothing else:
 * validations, descriptions, and whose bearer tokens are good.
 *
 * What it is is remembered for a second, under the lease and in its generation only, and forgotten when its
 * removal or another configuration is applied here. That it does not, or that MariaDB did not say, is never
 * remembered: a tenant that was created anywhere is there for the next request. Requests that come
 * while the same is being asked share an answer that it exists, or that MariaDB does not say; "no"
 * may be from before its creation, so who did not ask it asks again.
 */
import { Clock, Context, Deferred, Effect, Exit, Layer, Metric } from "effect"
import { LeaseView, monotonicMsUnsafe } from "../../coherence/Coherence.ts"
import { Keyring } from "../../crypto/Keyring.ts"
import * as errors from "../../domain/errors.ts"
import type { Tenant } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { TenantStore } from "../../store/TenantStore.ts"
import { rowsChanged, settingsHold, tenantChanged } from "../tenant/RowTagging.ts"
import { HotState } from "./HotState.ts"

export const knownForMs = 1_000
export const knownMax = 10_000

const changedRows = Metric.withAttributes(rowsChanged, { kind: "tenant" })

interface Known {
  readonly tenant: Tenant
  readonly until: number
  readonly generation: number
}

const make = Effect.gen(function* () {
  const store = yield* TenantStore
  const beliefs = yield* HotState
  const lease = yield* LeaseView
  const keyring = yield* Keyring
  const clock = yield* Clock.Clock
  const known = new Map<string, Known>()
  const asking = new Map<string, Deferred.Deferred<Tenant | undefined, StoreUnavailable>>()
  let removals = 0
  beliefs.listen({
    applicationGone: () => {},
    applicationAppeared: () => {},
    tenantGone: (tenantId) => {
      removals++
      known.delete(tenantId)
    },
    settingsChanged: (tenantId) => {
      removals++
      known.delete(tenantId)
    }
  })

  const now = () => clock.currentTimeMillisUnsafe()
  /** The lease's generation, or 0 when the lease does not hold. */
  const generation = () => (lease.holds(monotonicMsUnsafe(clock), now()) ? lease.generation : 0)

  const recall = (tenantId: string): Tenant | undefined => {
    const found = known.get(tenantId)
    return found !== undefined && now() < found.until && found.generation === generation() ? found.tenant : undefined
  }
  const remember = (tenant: Tenant): void => {
    known.delete(tenant.tenantId)
    if (known.size >= knownMax) known.delete(known.keys().next().value!)
    known.set(tenant.tenantId, { tenant, until: now() + knownForMs, generation: lease.generation })
  }

  const ask = Effect.fnUntraced(function* (tenantId: string) {
    const [sentIn, removalsBefore] = [generation(), removals]
    const [tenant] = yield* store.findTenants([tenantId])
    const isLive = tenant !== undefined && tenant.removedAt === null
    if (
      isLive &&
      sentIn !== 0 &&
      sentIn === generation() &&
      removalsBefore === removals &&
      settingsHold(tenant, keyring)
    )
      remember(tenant)
    return tenant
  })

  const askFirst = (tenantId: string) => {
    const mine = Deferred.makeUnsafe<Tenant | undefined, StoreUnavailable>()
    asking.set(tenantId, mine)
    return Effect.onExit(ask(tenantId), (exit) => {
      asking.delete(tenantId)
      // Whoever asked may have given up: that says nothing of the tenant.
      return Deferred.done(mine, Exit.hasInterrupts(exit) ? Exit.succeed(undefined) : exit)
    })
  }

  const exists = (tenantId: string): Effect.Effect<boolean, StoreUnavailable> =>
    Effect.suspend(() => {
      if (recall(tenantId) !== undefined) return Effect.succeed(true)
      const under = asking.get(tenantId)
      if (under === undefined) return Effect.map(askFirst(tenantId), isServed)
      return Effect.flatMap(Deferred.await(under), (found) =>
        isServed(found) ? Effect.succeed(true) : Effect.map(ask(tenantId), isServed)
      )
    })

  /**
   * What is remembered held when it was read. What is not is not taken from an answer that somebody else is waiting for: it may
   * be from before the tenant was configured.
   */
  const find = (tenantId: string) =>
    Effect.suspend(() => {
      const tenant = recall(tenantId)
      return tenant === undefined ? askAnew(tenantId) : Effect.succeed(tenant)
    })

  const askAnew = Effect.fnUntraced(function* (tenantId: string) {
    const tenant = yield* Effect.mapError(
      ask(tenantId),
      () => new errors.Unavailable({ part: "database", committed: false })
    )
    if (tenant === undefined || recall(tenantId) === tenant || settingsHold(tenant, keyring)) return tenant
    yield* Metric.update(changedRows, 1)
    yield* Effect.logError("the row of a tenant was changed outside of the service, and no bearer token is believed", {
      tenantId
    })
    return yield* tenantChanged(tenantId)
  })

  return KnownTenants.of({
    find,
    require: (tenantId) =>
      exists(tenantId).pipe(
        Effect.mapError(() => new errors.Unavailable({ part: "database", committed: false })),
        Effect.flatMap((found) => (found ? Effect.void : Effect.fail(new errors.TenantNotFound({ tenantId }))))
      )
  })
})

const isServed = (tenant: Tenant | undefined): boolean => tenant !== undefined && tenant.removedAt === null

export class KnownTenants extends Context.Service<
  KnownTenants,
  {
    /**
     * The tenant's row, of one that is being removed too; undefined where there is none. Fails where what is
     * configured in it is not what the service wrote: nobody is believed by it.
     */
    readonly find: (tenantId: string) => Effect.Effect<Tenant | undefined, errors.Unavailable | errors.RowChanged>
    /** Fails where there is no such tenant, or one that is being removed. */
    readonly require: (tenantId: string) => Effect.Effect<void, errors.TenantNotFound | errors.Unavailable>
  }
>()("cm/actors/KnownTenants") {
  static readonly layer = Layer.effect(this, make)
}
