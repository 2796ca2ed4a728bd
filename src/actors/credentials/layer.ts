/** The room `actors/credentials`: third-party credentials, a tenant's services, who was refused what. */
import { Layer } from "effect"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import { CredentialEvents } from "./Events.ts"
import * as LiveCredentials from "./LiveCredentials.ts"
import { Refresher } from "./Refresher.ts"
import { Refusals } from "./Refusals.ts"
import * as CredentialSweeps from "./Sweeps.ts"

export const settings = CredentialsConfig.layer
export const layer = Layer.merge(LiveCredentials.layer, CredentialSweeps.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(Refusals.layer, CredentialEvents.layer, Refresher.layerNone))
)
