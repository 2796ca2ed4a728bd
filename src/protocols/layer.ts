/** The room `protocols`: who may ask what, on which subject; what every message comes through. */
import { Layer } from "effect"
import * as BearerAccess from "./BearerAccess.ts"
import { BusConfig } from "./BusConfig.ts"
import * as InboxWatch from "./InboxWatch.ts"
import * as Protocols from "./Protocols.ts"
import { ProtocolsConfig } from "./ProtocolsConfig.ts"

export const settings = Layer.merge(BusConfig.layer, ProtocolsConfig.layer)
export const layer = Layer.merge(Protocols.layer, InboxWatch.layer).pipe(Layer.provide(BearerAccess.layer))
