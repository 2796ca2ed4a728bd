/** The tenants that must exist: `global` always, others where the environment names them. */
import { Effect, Layer } from "effect"
import { Keyring } from "../crypto/Keyring.ts"
import * as RowTags from "../crypto/RowTags.ts"
import { globalTenantId } from "../domain/Names.ts"
import type { Tenant } from "../domain/Tenant.ts"
import { atStart } from "../store/StartWait.ts"
import { TenantStore } from "../store/TenantStore.ts"
import { StartConfig } from "./StartConfig.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { tenantIds } = yield* StartConfig
    const store = yield* TenantStore
    const { rowTag } = yield* Keyring
    const macsOf = (tenant: Tenant) => ({
      tenantMac: rowTag(RowTags.ofTenant(tenant, "")),
      tenantSettingsMac: rowTag(RowTags.ofTenantSettings(tenant))
    })
    for (const tenantId of [globalTenantId, ...tenantIds]) {
      yield* store.createTenant(tenantId, null, macsOf).pipe(atStart("its first tenants"))
    }
  })
)
