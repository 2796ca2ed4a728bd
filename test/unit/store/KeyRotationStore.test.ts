import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { keyRotationStoreSuite } from "../../suites/keyRotationStoreSuite.ts"

keyRotationStoreSuite("memory", MemoryStores.layer)
