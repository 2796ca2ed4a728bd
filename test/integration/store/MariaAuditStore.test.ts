import { inject } from "vitest"
import { auditStoreSuite } from "../../suites/auditStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

auditStoreSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
