import { inject } from "vitest"
import { tokenLookupSuite } from "../../suites/tokenLookupSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

tokenLookupSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
