import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { tokenLookupSuite } from "../../suites/tokenLookupSuite.ts"

tokenLookupSuite("memory", MemoryStores.layer)
