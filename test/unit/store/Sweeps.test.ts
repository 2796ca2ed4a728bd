import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { sweepsSuite } from "../../suites/sweepsSuite.ts"

sweepsSuite("memory", MemoryStores.layer)
