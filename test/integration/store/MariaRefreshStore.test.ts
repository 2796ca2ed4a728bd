// Verifies R-REF-13.
import { inject } from "vitest"
import { refreshStoreSuite } from "../../suites/refreshStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

refreshStoreSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
