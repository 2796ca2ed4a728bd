/**
 * All store contracts on MariaDB, from `StoreConfig` alone. Building it brings the schema up to date
 * first; nothing is served on half a schema.
 */
import { Effect, Layer } from "effect"
import * as MariaAuditCuts from "./MariaAuditCuts.ts"
import * as MariaAuditStore from "./MariaAuditStore.ts"
import * as MariaClientStore from "./MariaClientStore.ts"
import * as MariaCredentialStore from "./MariaCredentialStore.ts"
import * as MariaDueWork from "./MariaDueWork.ts"
import { Mariadb } from "./Mariadb.ts"
import * as MariaKeyRotationStore from "./MariaKeyRotationStore.ts"
import * as MariaKeyStore from "./MariaKeyStore.ts"
import * as MariaOutbox from "./MariaOutbox.ts"
import * as MariaPlatformStore from "./MariaPlatformStore.ts"
import * as MariaRefreshStore from "./MariaRefreshStore.ts"
import * as MariaRestoreMark from "./MariaRestoreMark.ts"
import * as MariaSweeps from "./MariaSweeps.ts"
import * as MariaTenantStore from "./MariaTenantStore.ts"
import * as MariaTokenLookup from "./MariaTokenLookup.ts"
import * as MariaTokenUse from "./MariaTokenUse.ts"
import * as MariaUntaggedRows from "./MariaUntaggedRows.ts"
import { migrate } from "./Migrations.ts"

/** The pool over a migrated database; for stores that are added beside these. */
export const layerDatabase = Layer.unwrap(Effect.as(migrate(), Mariadb.layer))

export const layer = Layer.mergeAll(
  MariaTenantStore.layer,
  MariaTokenLookup.layer,
  MariaTokenUse.layer,
  MariaUntaggedRows.layer,
  MariaOutbox.layer,
  MariaSweeps.layer,
  MariaDueWork.layer,
  MariaRestoreMark.layer,
  MariaKeyStore.layer,
  MariaCredentialStore.layer,
  MariaClientStore.layer,
  MariaAuditStore.layer,
  MariaAuditCuts.layer,
  MariaKeyRotationStore.layer,
  MariaPlatformStore.layer,
  MariaRefreshStore.layer
).pipe(Layer.provideMerge(layerDatabase))
