import { inject } from "vitest"
import { sweepsSuite } from "../../suites/sweepsSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

sweepsSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
