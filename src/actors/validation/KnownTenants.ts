/**
 * Does this tenant exist? For what would otherwise ask MariaDB nothing else: validations and descriptions.
 *
 * That it does is remembered for a second, under the lease and in its generation only, and forgotten
 * when its removal is applied here. That it does not, or that MariaDB did not say, is never
 * remembered: a tenant that was created anywhere is there for the next request. Requests that come
 * while the same is being asked share an answer that it exists, or that MariaDB does not say; "no"
 * may be from before its creation, so who did not ask it asks again.
 */
import { Clock, Context, Deferred, Effect, Exit, Layer } from "effect"
import { LeaseView, monotonicMsUnsafe } from "../../coherence/Coherence.ts"
import * as errors from "../../domain/errors.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { TenantStore } from "../../store/TenantStore.ts"
import { HotState } from "./HotState.ts"

export const knownForMs = 1_000
export const knownMax = 10_000

interface Known {
  readonly until: number
  readonly generation: number
}

const make = Effect.gen(function* () {
  const store = yield* TenantStore
  const beliefs = yield* HotState
  const lease = yield* LeaseView
  const clock = yield* Clock.Clock
  const known = new Map<string, Known>()
  const asking = new Map<string, Deferred.Deferred<boolean, StoreUnavailable>>()
  let removals = 0
  beliefs.listen({
    applicationGone: () => {},
    applicationAppeared: () => {},
    tenantGone: (tenantId) => {
      removals++
      known.delete(tenantId)
    }
  })

  const now = () => clock.currentTimeMillisUnsafe()
  /** The lease's generation, or 0 when the lease does not hold. */
  const generation = () => (lease.holds(monotonicMsUnsafe(clock), now()) ? lease.generation : 0)

  const isKnown = (tenantId: string): boolean => {
    const found = known.get(tenantId)
    return found !== undefined && now() < found.until && found.generation === generation()
  }
  const remember = (tenantId: string): void => {
    known.delete(tenantId)
    if (known.size >= knownMax) known.delete(known.keys().next().value!)
    known.set(tenantId, { until: now() + knownForMs, generation: lease.generation })
  }

  const ask = Effect.fnUntraced(function* (tenantId: string) {
    const [sentIn, removalsBefore] = [generation(), removals]
    const [tenant] = yield* store.findTenants([tenantId])
    const exists = tenant !== undefined && tenant.removedAt === null
    if (exists && sentIn !== 0 && sentIn === generation() && removalsBefore === removals) remember(tenantId)
    return exists
  })

  const askFirst = (tenantId: string) => {
    const mine = Deferred.makeUnsafe<boolean, StoreUnavailable>()
    asking.set(tenantId, mine)
    return Effect.onExit(ask(tenantId), (exit) => {
      asking.delete(tenantId)
      // Whoever asked may have given up: that says nothing of the tenant.
      return Deferred.done(mine, Exit.hasInterrupts(exit) ? Exit.succeed(false) : exit)
    })
  }

  const exists = (tenantId: string): Effect.Effect<boolean, StoreUnavailable> =>
    Effect.suspend(() => {
      if (isKnown(tenantId)) return Effect.succeed(true)
      const under = asking.get(tenantId)
      if (under === undefined) return askFirst(tenantId)
      return Effect.flatMap(Deferred.await(under), (found) => (found ? Effect.succeed(true) : ask(tenantId)))
    })

  return KnownTenants.of({
    require: (tenantId) =>
      exists(tenantId).pipe(
        Effect.mapError(() => new errors.Unavailable({ part: "database", committed: false })),
        Effect.flatMap((found) => (found ? Effect.void : Effect.fail(new errors.TenantNotFound({ tenantId }))))
      )
  })
})

export class KnownTenants extends Context.Service<
  KnownTenants,
  {
    /** Fails where there is no such tenant, or one that is being removed. */
    readonly require: (tenantId: string) => Effect.Effect<void, errors.TenantNotFound | errors.Unavailable>
  }
>()("cm/actors/KnownTenants") {
  static readonly layer = Layer.effect(this, make)
}
