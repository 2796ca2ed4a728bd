/**
 * What has been decided and must still be told: events to publish, revocations to put in force.
 *
 * Rows of one entity leave in the order of their ids. A row with `afterRevocation` leaves only when the
 * pending revocation of its transaction is gone (in force); what follows it in its tenant waits too.
 *
 * A row that no stream will ever take is set aside: it waits in a list of its own, for an operator to
 * let it be tried again or to drop it, and holds nobody up.
 *
 * One relay at a time: `claimTerm` takes the next term when the last one is stale; `markSent`, `setAside` and
 * `savePosition` change nothing and fail with `TermLost` once a later term exists.
 */
import { Context, type Effect, Schema } from "effect"
import type { Page } from "../domain/Page.ts"
import type { Revocation } from "../domain/Revocation.ts"
import type { StoreUnavailable } from "./StoreError.ts"
import type { OutboxEntry } from "./TenantStore.ts"

/**
 * No term runs for longer, whatever is set. One that ends later was written by somebody else, or the database's clock was put
 * back: it is nobody's, or no event would leave for so long.
 */
export const termMsMax = 300_000

export class TermLost extends Schema.TaggedError<TermLost>()("TermLost", { term: Schema.Int }) {}

export interface OutboxRow extends Omit<OutboxEntry, "afterRevocation"> {
  readonly id: number
  readonly tenantId: string
  /** UNIX milliseconds, database clock. */
  readonly createdAt: number
  /** True: its revocation is not in force yet, so neither it nor what follows it in its tenant may leave. */
  readonly held: boolean
  /** True: it is longer than any event, or its headers are not what this service writes; they are empty here, and it may not leave. */
  readonly unreadable?: boolean | undefined
  /** Of its payload, where that is too long to be handed over and empty here. */
  readonly bytes?: number | undefined
}

/** A row that was set aside, without what it says. */
export interface AsideRow extends Pick<OutboxRow, "id" | "tenantId" | "eventId" | "stream" | "subject" | "entityKey"> {
  /** Of its payload. */
  readonly bytes: number
  readonly reason: string
  readonly createdAt: number
  readonly asideAt: number
}

/** What an operator decides about one: back to the end of the outbox, or gone. */
export type AsideAction = "retry" | "drop"

export interface SetAside {
  readonly id: number
  readonly reason: string
}

export interface PendingRevocation extends Pick<Revocation, "tenantId" | "seq"> {
  /** What stands there for its targets: who carries it looks whether they are some. */
  readonly targets: unknown
  /** How long ago it was committed, by the database's clock. */
  readonly ageMs: number
}

export class Outbox extends Context.Service<
  Outbox,
  {
    /**
     * Takes or renews the relay's term for `ttlMs` by the database's clock. Returns the term, or
     * null while another process's term runs. Renewing one's own keeps its number; a takeover gets the next.
     */
    readonly claimTerm: (process: string, ttlMs: number) => Effect.Effect<number | null, StoreUnavailable>
    readonly releaseTerm: (process: string) => Effect.Effect<void, StoreUnavailable>
    /**
     * Oldest first, at most `limit` rows; fewer only where there are no more. Of a tenant with a row that is held, none
     * behind it, but where half of a large answer may leave, and where those of very many tenants would fill it.
     */
    readonly unsent: (limit: number) => Effect.Effect<ReadonlyArray<OutboxRow>, StoreUnavailable>
    /** Removes the rows: they are in the stream. */
    readonly markSent: (term: number, ids: ReadonlyArray<number>) => Effect.Effect<void, StoreUnavailable | TermLost>
    /** Up to which sequence of each stream every message is known to be marked; null before the first. */
    readonly position: (stream: string) => Effect.Effect<number | null, StoreUnavailable>
    readonly savePosition: (
      term: number,
      stream: string,
      sequence: number
    ) => Effect.Effect<void, StoreUnavailable | TermLost>
    /**
     * Takes rows out of the order, in one transaction with the messages of the tenant `global` that tell of
     * it. One that is not in the outbox any more is left alone.
     */
    readonly setAside: (
      term: number,
      rows: ReadonlyArray<SetAside>,
      told: ReadonlyArray<OutboxEntry>
    ) => Effect.Effect<void, StoreUnavailable | TermLost>
    /** What was set aside, by id; `after` is the last id of the page before. */
    readonly aside: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<Page<AsideRow>, StoreUnavailable>
    readonly depth: Effect.Effect<
      {
        readonly rows: number
        readonly oldestAgeMs: number
        readonly aside: number
        /** UNIX milliseconds, database clock. */
        readonly now: number
      },
      StoreUnavailable
    >

    /** Revocations that nobody has told to be in force, committed at least `minAgeMs` ago, oldest first. */
    readonly pendingRevocations: (options: {
      readonly minAgeMs: number
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<PendingRevocation>, StoreUnavailable>
    /** The lowest and the highest sequence of the tenant's revocations that are still pending, or null. */
    readonly pendingOf: (
      tenantId: string
    ) => Effect.Effect<{ readonly oldest: number; readonly newest: number } | null, StoreUnavailable>
    /** In force everywhere: the rows behind it may leave. Idempotent. */
    readonly markInForce: (
      revocations: ReadonlyArray<{ readonly tenantId: string; readonly seq: number }>
    ) => Effect.Effect<void, StoreUnavailable>
  }
>()("cm/store/Outbox") {}
