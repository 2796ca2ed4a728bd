import { inject } from "vitest"
import { outboxSuite } from "../../suites/outboxSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

outboxSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
