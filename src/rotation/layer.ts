/** The room `rotation`: the clockwork behind ends, overlaps, removals and notices. */
import { Layer } from "effect"
import * as CredentialExpirySweep from "./CredentialExpirySweep.ts"
import * as ExpirySweep from "./ExpirySweep.ts"
import * as RemovalSweep from "./RemovalSweep.ts"
import { SweepConfig } from "./SweepConfig.ts"

export const settings = SweepConfig.layer
export const background = Layer.mergeAll(ExpirySweep.layer, RemovalSweep.layer, CredentialExpirySweep.layer)
