/** All store contracts in memory, over one set of tables; for tests and for nothing else. */
import { Layer } from "effect"
import { MemoryDatabase } from "./MemoryDatabase.ts"
import * as MemoryTenantStore from "./MemoryTenantStore.ts"
import * as MemoryTokenLookup from "./MemoryTokenLookup.ts"

export const layer = Layer.mergeAll(MemoryTenantStore.layer, MemoryTokenLookup.layer).pipe(
  Layer.provideMerge(MemoryDatabase.layer)
)
