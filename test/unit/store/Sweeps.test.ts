import * as MemoryStores from "../../../src/store/MemoryStores.ts"
import { sweepsSuite } from "../../suites/sweepsSuite.ts"

sweepsSuite("memory", MemoryStores.layer)
