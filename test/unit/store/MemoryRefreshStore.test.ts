// Verifies R-REF-13.
import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { refreshStoreSuite } from "../../suites/refreshStoreSuite.ts"

refreshStoreSuite("memory", MemoryStores.layer)
