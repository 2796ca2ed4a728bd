/** The room `actors/tenant`: one writer a tenant, its mailbox, its groups. */
import { Layer } from "effect"
import { ActorsConfig } from "./ActorsConfig.ts"
import * as ApplicationSettings from "./ApplicationSettings.ts"
import { BlockedEvents } from "./BlockedEvents.ts"
import * as GroupCommit from "./GroupCommit.ts"
import { Ids } from "./Ids.ts"
import * as Limits from "./Limits.ts"
import * as TenantActors from "./TenantActors.ts"
import { TenantsConfig } from "./TenantsConfig.ts"
import { EventWriter } from "./TokenEvents.ts"

export const settings = Layer.merge(ActorsConfig.layer, TenantsConfig.layer)
/** Asked by every room that answers requests. */
export const limits = Limits.layer
export const layer = BlockedEvents.layer.pipe(
  Layer.provideMerge(TenantActors.layer),
  Layer.provideMerge(GroupCommit.layer),
  Layer.provideMerge(EventWriter.layer),
  Layer.provideMerge(Ids.layer),
  Layer.provideMerge(ApplicationSettings.layer)
)
