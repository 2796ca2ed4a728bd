// Verifies R-REF-13.
import { TestClock } from "effect/testing"
import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { refreshStoreSuite } from "../../suites/refreshStoreSuite.ts"

refreshStoreSuite("memory", MemoryStores.layer, TestClock.adjust)
