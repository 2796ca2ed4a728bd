/**
 * That this database was put back from a backup, and what was announced since: the ends of rights that it does not
 * know of any more.
 *
 * Its layers: `maria/MariaRestoreMark.ts`, `outbox/NatsPublishedEnds.ts`; a database in memory is never put back.
 */
import { Context, type Effect, Schema } from "effect"
import type { StoreUnavailable } from "./StoreError.ts"

export interface Restored {
  /** UNIX milliseconds: when the backup was made. */
  readonly backupAt: number
  /** An operator said that it goes on though announcements are lost. */
  readonly acceptGap: boolean
}

export class RestoreMark extends Context.Service<
  RestoreMark,
  {
    /** Null: nothing was put back, or it is replayed. */
    readonly pending: Effect.Effect<Restored | null, StoreUnavailable>
    readonly replayed: Effect.Effect<void, StoreUnavailable>
  }
>()("cm/store/RestoreMark") {}

/** An event as it was announced; what it says is not believed further than its names. */
export interface Announced {
  readonly type: string
  readonly tenantId: string
  /** The token, the credential, the client credential or the tenant. */
  readonly subject: string
  /** UNIX milliseconds, of the transaction. */
  readonly at: number
}

export class PublishedEndsUnavailable extends Schema.TaggedError<PublishedEndsUnavailable>()(
  "PublishedEndsUnavailable",
  {}
) {}

export interface AnnouncedPage {
  readonly events: ReadonlyArray<Announced>
  /** To go on after; null: that was all. */
  readonly next: number | null
  /** The first number that the stream still has; 1: nothing was forgotten. Null: it has nothing at all. */
  readonly first: number | null
}

export class PublishedEnds extends Context.Service<
  PublishedEnds,
  {
    /**
     * The service's events, in order, behind `place`; 0: from the first on. Of the revocations only those of client
     * credentials, as `client-credential.revoked`: all others are among the events.
     */
    readonly after: (
      stream: "events" | "revocations",
      place: number
    ) => Effect.Effect<AnnouncedPage, PublishedEndsUnavailable>
    /** What replicas remember of tokens and credentials in the bus goes: it is of another history. */
    readonly forgetCaches: Effect.Effect<void, PublishedEndsUnavailable>
  }
>()("cm/store/PublishedEnds") {}
