import { Layer } from "effect"
import { inject } from "vitest"
import * as MariaKeyRotationStore from "../../../src/store/MariaKeyRotationStore.ts"
import { keyRotationStoreSuite } from "../../suites/keyRotationStoreSuite.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

keyRotationStoreSuite(
  "MariaDB",
  MariaKeyRotationStore.layer.pipe(Layer.provideMerge(layerMariaStores(inject("databaseUrl"))))
)
