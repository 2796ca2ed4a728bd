/** The room `actors/audit`: a tenant's chain of rows, its signed heads, and who was refused what. */
import { Layer } from "effect"
import { AuditConfig } from "./AuditConfig.ts"
import * as LiveAudit from "./LiveAudit.ts"
import { Refusals } from "./Refusals.ts"
import * as AuditSweeps from "./Sweeps.ts"

export const settings = AuditConfig.layer
export const layer = Layer.merge(LiveAudit.layer, AuditSweeps.layer).pipe(Layer.provideMerge(Refusals.layer))
