/**
 * Which checkpoints of an audit this service signed, for who announces them.
 *
 * What was announced is believed to be outside of the database's reach, so a row of the outbox that anybody
 * could write must not become one.
 *
 * Its layer: `actors/audit/LiveOwnCheckpoints.ts`.
 */
import { Context, type Effect } from "effect"
import type { AuditCheckpoint } from "./AuditStore.ts"
import type { StoreUnavailable } from "./StoreError.ts"

export class OwnCheckpoints extends Context.Service<
  OwnCheckpoints,
  {
    /** Succeeds when the keys are known; before that nothing may be judged. */
    readonly ready: Effect.Effect<void, StoreUnavailable>
    /** Whether one of this service's keys signed it. Means something only after `ready`. */
    readonly isOwn: (point: AuditCheckpoint) => boolean
  }
>()("cm/store/OwnCheckpoints") {}
