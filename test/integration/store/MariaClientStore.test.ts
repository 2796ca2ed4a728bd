import { inject } from "vitest"
import { clientStoreSuite } from "../../suites/clientStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

clientStoreSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
