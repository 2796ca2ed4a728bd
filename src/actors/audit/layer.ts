/** The room `actors/audit`: a tenant's chain of rows, its signed heads, and who was refused what. */
import { Layer } from "effect"
import { AuditAlarm } from "./AuditAlarm.ts"
import { AuditConfig } from "./AuditConfig.ts"
import { AuditNotes } from "./AuditNotes.ts"
import * as LiveAudit from "./LiveAudit.ts"
import * as LiveOwnCheckpoints from "./LiveOwnCheckpoints.ts"
import { Refusals } from "./Refusals.ts"
import { SignedHeads } from "./SignedHeads.ts"
import * as AuditSweeps from "./Sweeps.ts"

export const settings = AuditConfig.layer
/** Needs `PublishedCheckpoints`. */
export const layer = Layer.mergeAll(LiveAudit.layer, AuditSweeps.layer, LiveOwnCheckpoints.layer).pipe(
  Layer.provideMerge(AuditNotes.layer),
  Layer.provideMerge(Layer.mergeAll(Refusals.layer, SignedHeads.layer, AuditAlarm.layer))
)
