/**
 * Is there such a tenant now? By the database, for what reads it anyway.
 *
 * One that is being removed is told to be gone when that is in force, as everything else that goes.
 */
import { Effect } from "effect"
import * as errors from "../../domain/errors.ts"
import type { Tenant } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { TenantStore } from "../../store/TenantStore.ts"
import { InForce } from "./InForce.ts"

export const readFailed = (_: StoreUnavailable) => new errors.Unavailable({ part: "database", committed: false })

export const make = Effect.gen(function* () {
  const store = yield* TenantStore
  const inForce = yield* InForce

  return Effect.fnUntraced(function* (
    tenantId: string
  ): Effect.fn.Return<Tenant, errors.Unavailable | errors.TenantNotFound> {
    const [tenant] = yield* Effect.mapError(store.findTenants([tenantId]), readFailed)
    if (tenant !== undefined && tenant.removedAt === null) return tenant
    if (tenant !== undefined)
      yield* Effect.catch(inForce.all(tenantId), () => new errors.Unavailable({ part: "database", committed: false }))
    return yield* new errors.TenantNotFound({ tenantId })
  })
})
