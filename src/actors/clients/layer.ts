/** The room `actors/clients`: client credentials, their changes and their checks. */
import { Layer } from "effect"
import * as ClientChecks from "./ClientChecks.ts"
import { ClientSweeps } from "./ClientSweeps.ts"
import { ClientsConfig } from "./ClientsConfig.ts"
import { ClientUses } from "./ClientUses.ts"
import { ClientEvents } from "./Events.ts"
import * as LiveClients from "./LiveClients.ts"

export const settings = ClientsConfig.layer
export const layer = Layer.mergeAll(LiveClients.layer, ClientChecks.layer, ClientSweeps.layer).pipe(
  Layer.provideMerge(Layer.merge(ClientUses.layer, ClientEvents.layer))
)
