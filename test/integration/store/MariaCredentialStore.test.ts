import { Layer } from "effect"
import { inject } from "vitest"
import * as MariaCredentialStore from "../../../src/store/MariaCredentialStore.ts"
import { credentialStoreSuite } from "../../suites/credentialStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

credentialStoreSuite(
  "MariaDB",
  MariaCredentialStore.layer.pipe(Layer.provideMerge(layerMariaStores(inject("databaseUrl"))))
)
