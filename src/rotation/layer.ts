/** The room `rotation`: the clockwork behind ends, overlaps, removals, notices and checkpoints. */
import { Layer } from "effect"
import * as AuditSweep from "./AuditSweep.ts"
import * as ClientSweep from "./ClientSweep.ts"
import * as CredentialExpirySweep from "./CredentialExpirySweep.ts"
import * as ExpirySweep from "./ExpirySweep.ts"
import * as KeyErasureSweep from "./KeyErasureSweep.ts"
import * as LiveRefresher from "./LiveRefresher.ts"
import * as NumberSweep from "./NumberSweep.ts"
import { RefreshConfig } from "./RefreshConfig.ts"
import * as RefreshLoop from "./RefreshLoop.ts"
import * as RemovalSweep from "./RemovalSweep.ts"
import * as ReplayEnds from "./ReplayEnds.ts"
import * as RevokeAllSweep from "./RevokeAllSweep.ts"
import { RotatorConfig } from "./RotatorConfig.ts"
import { SweepConfig } from "./SweepConfig.ts"

/** Before anything is answered: what ended after a backup that was put back. Needs `PublishedEnds`. */
export const replayed = ReplayEnds.layer
export const settings = Layer.mergeAll(SweepConfig.layer, RefreshConfig.layer, RotatorConfig.layer)
/** For `actors/credentials`, on its parts. */
export const refresher = LiveRefresher.layer
export const background = Layer.mergeAll(
  ExpirySweep.layer,
  RemovalSweep.layer,
  NumberSweep.layer,
  RevokeAllSweep.layer,
  AuditSweep.layer,
  KeyErasureSweep.layer,
  CredentialExpirySweep.layer,
  ClientSweep.layer,
  RefreshLoop.layer
)
