import { inject } from "vitest"
import { keyRotationStoreSuite } from "../../suites/keyRotationStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

keyRotationStoreSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
