/** The room `actors/credentials`: third-party credentials and a tenant's services. Needs `actors/audit`. */
import { Layer } from "effect"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import { CredentialEvents } from "./Events.ts"
import * as LiveCredentials from "./LiveCredentials.ts"
import { Refresher } from "./Refresher.ts"
import * as CredentialSweeps from "./Sweeps.ts"

export const settings = CredentialsConfig.layer
export const layer = Layer.merge(LiveCredentials.layer, CredentialSweeps.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(CredentialEvents.layer, Refresher.layerNone))
)
