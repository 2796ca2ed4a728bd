/** The room `rotation`: the clockwork behind ends, overlaps, removals, notices and checkpoints. */
import { Layer } from "effect"
import * as AuditSweep from "./AuditSweep.ts"
import * as ClientSweep from "./ClientSweep.ts"
import * as CredentialExpirySweep from "./CredentialExpirySweep.ts"
import * as ExpirySweep from "./ExpirySweep.ts"
import * as RemovalSweep from "./RemovalSweep.ts"
import * as ReplayEnds from "./ReplayEnds.ts"
import * as RevokeAllSweep from "./RevokeAllSweep.ts"
import { SweepConfig } from "./SweepConfig.ts"

export const settings = SweepConfig.layer
/** Before anything is answered: what ended after a backup that was put back. Needs `PublishedEnds`. */
export const replayed = ReplayEnds.layer
export const background = Layer.mergeAll(
  ExpirySweep.layer,
  RemovalSweep.layer,
  RevokeAllSweep.layer,
  AuditSweep.layer,
  CredentialExpirySweep.layer,
  ClientSweep.layer
)
