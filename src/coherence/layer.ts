/** The room `coherence`: this replica's lease, and putting a change in force on every replica. */
import { LeaseView } from "./Coherence.ts"
import { CoherenceConfig } from "./CoherenceConfig.ts"
import * as NatsCoherence from "./NatsCoherence.ts"

export const settings = CoherenceConfig.layer
/** Whether the lease holds right now; read for each answer. */
export const view = LeaseView.layer
/** Needs what applies revocations here: the beliefs of `actors/validation`. */
export const layer = NatsCoherence.layer
