/** The room `actors/credentials`: third-party credentials and a tenant's services. Needs `actors/audit`. */
import { Layer } from "effect"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import { CredentialEvents } from "./Events.ts"
import * as KeysLeave from "./KeysLeave.ts"
import * as LiveCredentials from "./LiveCredentials.ts"
import * as Providers from "./Providers.ts"
import * as Rotators from "./Rotators.ts"
import * as CredentialSweeps from "./Sweeps.ts"

export const settings = CredentialsConfig.layer
/** What a refresh needs of this room; `rotation` builds the `Refresher` on it. */
export const parts = Layer.mergeAll(CredentialEvents.layer, Providers.layer, Rotators.layer)
/** Needs `parts` and a `Refresher`. */
export const layer = Layer.mergeAll(LiveCredentials.layer, CredentialSweeps.layer, KeysLeave.layer)
