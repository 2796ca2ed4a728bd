import { MetadataCache } from "../../../src/cache/MetadataCache.ts"
import { metadataCacheSuite } from "../../suites/metadataCacheSuite.ts"

metadataCacheSuite("memory", MetadataCache.layerMemory)
