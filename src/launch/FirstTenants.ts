/** The tenants that must exist: `global` always, others where the environment names them. */
import { Effect, Layer } from "effect"
import { globalTenantId } from "../domain/Names.ts"
import { TenantStore } from "../store/TenantStore.ts"
import { StartConfig } from "./StartConfig.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { tenantIds } = yield* StartConfig
    const store = yield* TenantStore
    for (const tenantId of [globalTenantId, ...tenantIds]) yield* store.createTenant(tenantId, null)
  })
)
