/**
 * The checkpoints of an audit that were announced, where whoever writes the database cannot reach them:
 * the stream of events, which no bus user may purge.
 *
 * Promises: all that the stream still has of a tenant, page by page in the order in which it left; what is
 * there and cannot be read is given as `null`, never left out. Whether a signature is good is for `actors/audit`.
 *
 * Its layer: `outbox/NatsPublishedCheckpoints.ts`.
 */
import { Context, type Effect, Schema } from "effect"
import type { AuditCheckpoint } from "./AuditStore.ts"

export class PublishedUnavailable extends Schema.TaggedError<PublishedUnavailable>()("PublishedUnavailable", {}) {}

export interface PublishedNews {
  readonly points: ReadonlyArray<AuditCheckpoint | null>
  /** To go on after, the next time. */
  readonly place: number
  /** There are more behind them already. */
  readonly more: boolean
}

export class PublishedCheckpoints extends Context.Service<
  PublishedCheckpoints,
  {
    /** What was announced after `place`; 0: all. A place that the stream has not reached means that it was made anew. */
    readonly after: (tenantId: string, place: number) => Effect.Effect<PublishedNews, PublishedUnavailable>
  }
>()("cm/store/PublishedCheckpoints") {}
