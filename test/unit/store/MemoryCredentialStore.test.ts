import { Layer } from "effect"
import * as MemoryCredentialStore from "../../../src/store/MemoryCredentialStore.ts"
import { MemoryDatabase } from "../../../src/store/MemoryDatabase.ts"
import * as MemoryTenantStore from "../../../src/store/MemoryTenantStore.ts"
import { credentialStoreSuite } from "../../suites/credentialStoreSuite.ts"

credentialStoreSuite(
  "memory",
  Layer.mergeAll(MemoryTenantStore.layer, MemoryCredentialStore.layer).pipe(Layer.provide(MemoryDatabase.layer))
)
