import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { outboxSuite } from "../../suites/outboxSuite.ts"

outboxSuite("memory", MemoryStores.layer)
