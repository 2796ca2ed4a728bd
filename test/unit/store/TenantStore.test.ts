// Verifies R-DUR-3.
import { Effect } from "effect"
import { MemoryDatabase } from "../../../src/store/memory/MemoryDatabase.ts"
import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { tenantStoreSuite } from "../../suites/tenantStoreSuite.ts"

tenantStoreSuite("memory", MemoryStores.layer, (tenantId) =>
  Effect.map(MemoryDatabase, (tables) => tables.audit.get(tenantId) ?? [])
)
