import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { clientStoreSuite } from "../../suites/clientStoreSuite.ts"

clientStoreSuite("memory", MemoryStores.layer)
