import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { auditStoreSuite } from "../../suites/auditStoreSuite.ts"

auditStoreSuite("memory", MemoryStores.layer)
