import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { tokenUseSuite } from "../../suites/tokenUseSuite.ts"

tokenUseSuite("memory", MemoryStores.layer)
