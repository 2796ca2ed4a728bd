import { EventLog } from "../../../src/outbox/EventLog.ts"
import { eventLogSuite } from "../../suites/eventLogSuite.ts"

eventLogSuite("memory", EventLog.layerMemory({ rememberedMax: 10_000 }), { events: "any", revocations: "any" })
