/** The room `actors/tokens`: every change of tokens, applications and tenants. */
import { Layer } from "effect"
import * as FirstUseRecorder from "./FirstUseRecorder.ts"
import * as LiveTenants from "./LiveTenants.ts"
import * as LiveTokenEnder from "./LiveTokenEnder.ts"

export const layer = Layer.mergeAll(LiveTenants.layer, LiveTokenEnder.layer, FirstUseRecorder.layer)
