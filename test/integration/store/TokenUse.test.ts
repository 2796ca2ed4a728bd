// Verifies R-TOK-9.
import { inject } from "vitest"
import { tokenUseSuite } from "../../suites/tokenUseSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

tokenUseSuite("MariaDB", layerMariaStores(inject("databaseUrl")))
