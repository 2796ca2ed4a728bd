import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { credentialStoreSuite } from "../../suites/credentialStoreSuite.ts"

credentialStoreSuite("memory", MemoryStores.layer)
