/**
 * The limits of each tenant, at once: `get` is asked by what may not wait.
 *
 * A reference: without a layer of their own all tenants have the defaults of contract 8.5. Where a tenant's
 * own come from is for whoever provides it; what it answers holds from the next request on.
 */
import { Context, Layer } from "effect"
import { defaultLimits, type TenantLimits } from "../../domain/TenantLimits.ts"
import { TenantsConfig } from "./TenantsConfig.ts"

export interface LimitsOf {
  /** Of a tenant that is not known too: the defaults. */
  readonly get: (tenantId: string) => TenantLimits
}

export const Limits = Context.Reference<LimitsOf>("cm/actors/Limits", {
  defaultValue: () => ({ get: () => defaultLimits })
})

/** The same for all, as the settings say. */
export const layer = Layer.effect(
  Limits,
  TenantsConfig.useSync(({ requestsInFlight }) => {
    const limits = { ...defaultLimits, requestsInFlight }
    return { get: () => limits }
  })
)
