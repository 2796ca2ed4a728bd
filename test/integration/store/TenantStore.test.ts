// Verifies R-DUR-3.
import { inject } from "vitest"
import { tenantStoreSuite } from "../../suites/tenantStoreSuite.ts"
import { auditRowsOf, layerMariaStores } from "../../support/storeLayers.ts"

tenantStoreSuite("MariaDB", layerMariaStores(inject("databaseUrl")), auditRowsOf)
