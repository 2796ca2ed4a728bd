/** The room `actors/validation`: whether a token is good, from memory or by asking. */
import { Layer } from "effect"
import { FirstUse } from "./FirstUse.ts"
import { HotState } from "./HotState.ts"
import { KnownTenants } from "./KnownTenants.ts"
import * as LimitsKeeper from "./LimitsKeeper.ts"
import * as LiveValidator from "./LiveValidator.ts"

/** What this replica believes; `coherence` applies revocations to it. */
export const beliefs = HotState.layer
export const layer = Layer.merge(LiveValidator.layer, LimitsKeeper.layer).pipe(
  Layer.provideMerge(KnownTenants.layer),
  Layer.provideMerge(FirstUse.layer)
)
