/** The room `actors/tokens`: every change of tokens, applications and tenants. */
import { Layer } from "effect"
import * as FirstUseRecorder from "./FirstUseRecorder.ts"
import * as LiveIssuerOfTenant from "./LiveIssuerOfTenant.ts"
import * as LiveTenants from "./LiveTenants.ts"
import * as LiveTokenEnder from "./LiveTokenEnder.ts"

const tenants = LiveIssuerOfTenant.layer.pipe(Layer.provideMerge(LiveTenants.layer))
export const layer = Layer.mergeAll(tenants, LiveTokenEnder.layer, FirstUseRecorder.layer)
