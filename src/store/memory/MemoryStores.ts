/** All store contracts in memory, over one set of tables; for tests and for nothing else. */
import { Layer } from "effect"
import * as MemoryAuditCuts from "./MemoryAuditCuts.ts"
import * as MemoryAuditStore from "./MemoryAuditStore.ts"
import * as MemoryClientStore from "./MemoryClientStore.ts"
import * as MemoryCredentialStore from "./MemoryCredentialStore.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"
import * as MemoryKeyRotationStore from "./MemoryKeyRotationStore.ts"
import * as MemoryKeyStore from "./MemoryKeyStore.ts"
import * as MemoryOutbox from "./MemoryOutbox.ts"
import * as MemoryRefreshStore from "./MemoryRefreshStore.ts"
import * as MemorySweeps from "./MemorySweeps.ts"
import * as MemoryTenantStore from "./MemoryTenantStore.ts"
import * as MemoryTokenLookup from "./MemoryTokenLookup.ts"
import * as MemoryTokenUse from "./MemoryTokenUse.ts"
import * as MemoryUntaggedRows from "./MemoryUntaggedRows.ts"

export const layer = Layer.mergeAll(
  MemoryTenantStore.layer,
  MemoryTokenLookup.layer,
  MemoryTokenUse.layer,
  MemoryUntaggedRows.layer,
  MemoryOutbox.layer,
  MemorySweeps.layer,
  MemoryKeyStore.layer,
  MemoryCredentialStore.layer,
  MemoryClientStore.layer,
  MemoryAuditStore.layer,
  MemoryAuditCuts.layer,
  MemoryKeyRotationStore.layer,
  MemoryRefreshStore.layer
).pipe(Layer.provideMerge(MemoryDatabase.layer))
