/** The room `actors/keys`: the operator's keys, and what a replica checks of itself. */
import { Layer } from "effect"
import * as LiveKeys from "./LiveKeys.ts"
import * as ReplicaChecks from "./ReplicaChecks.ts"

export const layer = Layer.merge(LiveKeys.layer, ReplicaChecks.layer)
