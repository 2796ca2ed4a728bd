import * as MemoryStores from "../../../src/store/MemoryStores.ts"
import { tokenLookupSuite } from "../../suites/tokenLookupSuite.ts"

tokenLookupSuite("memory", MemoryStores.layer)
