/**
 * The limits of each tenant, at once: `get` is asked by what may not wait.
 *
 * A reference: without its layer all tenants have the defaults of contract 8.5. What a tenant has of its own
 * is in its row; `LimitsKeeper` keeps this equal to that, and what it says holds from the next request on.
 */
import { Context, Layer } from "effect"
import { defaultLimits, type TenantLimits } from "../../domain/TenantLimits.ts"
import { TenantsConfig } from "./TenantsConfig.ts"

export interface LimitsOf {
  /** Of a tenant that is not known too: the defaults. */
  readonly get: (tenantId: string) => TenantLimits
  /** What the tenant has instead of the defaults. */
  readonly setUnsafe: (tenantId: string, own: Partial<TenantLimits>) => void
}

export const Limits = Context.Reference<LimitsOf>("cm/actors/Limits", {
  defaultValue: () => ({ get: () => defaultLimits, setUnsafe: () => {} })
})

/** `common` is for all who have nothing of their own. */
export const make = (common: TenantLimits): LimitsOf => {
  const own = new Map<string, TenantLimits>()
  return {
    get: (tenantId) => own.get(tenantId) ?? common,
    setUnsafe: (tenantId, limits) => {
      if (Object.keys(limits).length === 0) own.delete(tenantId)
      else own.set(tenantId, { ...common, ...limits })
    }
  }
}

export const layer = Layer.effect(
  Limits,
  TenantsConfig.useSync(({ requestsInFlight }) => make({ ...defaultLimits, requestsInFlight }))
)
