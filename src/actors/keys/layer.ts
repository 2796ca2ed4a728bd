/** The room `actors/keys`: the operator's keys, and what a replica checks of itself. */
import { Layer } from "effect"
import * as KeyErasure from "./KeyErasure.ts"
import * as LiveKeys from "./LiveKeys.ts"
import * as ReplicaChecks from "./ReplicaChecks.ts"

export const layer = Layer.mergeAll(LiveKeys.layer, KeyErasure.layer, ReplicaChecks.layer)
