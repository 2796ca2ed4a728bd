import { Layer } from "effect"
import { MemoryDatabase } from "../../../src/store/MemoryDatabase.ts"
import * as MemoryKeyRotationStore from "../../../src/store/MemoryKeyRotationStore.ts"
import * as MemoryKeyStore from "../../../src/store/MemoryKeyStore.ts"
import * as MemoryTenantStore from "../../../src/store/MemoryTenantStore.ts"
import { keyRotationStoreSuite } from "../../suites/keyRotationStoreSuite.ts"

keyRotationStoreSuite(
  "memory",
  Layer.mergeAll(MemoryTenantStore.layer, MemoryKeyStore.layer, MemoryKeyRotationStore.layer).pipe(
    Layer.provide(MemoryDatabase.layer)
  )
)
