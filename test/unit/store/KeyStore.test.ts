import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { keyStoreSuite } from "../../suites/keyStoreSuite.ts"

keyStoreSuite("memory", MemoryStores.layer)
