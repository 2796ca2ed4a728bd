/**
 * Keeps `Limits` equal to the tenants' rows: all of them at the start and now and then, one as soon as its
 * settings are changed anywhere. While MariaDB is away, what was read last holds.
 */
import { Effect, Layer, Queue } from "effect"
import type { Tenant } from "../../domain/Tenant.ts"
import * as Loop from "../../observability/Loop.ts"
import { TenantStore } from "../../store/TenantStore.ts"
import { Limits } from "../tenant/Limits.ts"
import { HotState } from "./HotState.ts"

const lookEvery = "30 seconds"
const pageMax = 1_000
/** Changes that wait to be read; what comes beyond is read with all. */
const changedMax = 10_000

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const store = yield* TenantStore
    const limits = yield* Limits
    const beliefs = yield* HotState
    const changed = yield* Queue.dropping<string>(changedMax)
    const take = ({ removedAt, settings, tenantId }: Tenant) =>
      limits.setUnsafe(tenantId, removedAt === null ? (settings?.limits ?? {}) : {})

    const all = Effect.gen(function* () {
      let after: string | null = null
      do {
        const page: { readonly content: ReadonlyArray<Tenant>; readonly next: string | null } =
          yield* store.listTenants({ limit: pageMax, after })
        for (const tenant of page.content) take(tenant)
        after = page.next
      } while (after !== null)
    })
    const one = Effect.flatMap(Queue.take(changed), (tenantId) =>
      Effect.map(store.findTenants([tenantId]), (found) => found.forEach(take))
    )

    beliefs.listen({
      applicationGone: () => {},
      applicationAppeared: () => {},
      tenantGone: (tenantId) => limits.setUnsafe(tenantId, {}),
      settingsChanged: (tenantId) => {
        Queue.offerUnsafe(changed, tenantId)
      }
    })
    yield* Effect.ignore(all)
    yield* Effect.forkScoped(Loop.forever("tenants' limits", Effect.ignore(one)))
    yield* Effect.forkScoped(
      Loop.forever("all tenants' limits", Effect.andThen(Effect.sleep(lookEvery), Effect.ignore(all)))
    )
  })
)
