import { inject } from "vitest"
import { credentialStoreSuite } from "../../suites/credentialStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

credentialStoreSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
