import { ValidationCache } from "../../../src/cache/ValidationCache.ts"
import { validationCacheSuite } from "../../suites/validationCacheSuite.ts"

validationCacheSuite("memory", ValidationCache.layerMemory)
