import { inject } from "vitest"
import { keyStoreSuite } from "../../suites/keyStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

keyStoreSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
