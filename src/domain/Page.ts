/** Paging: what a list is asked and what it answers. */
import type { TokenStatus } from "./Token.ts"

export interface Page<A> {
  readonly content: ReadonlyArray<A>
  /** Null at the end. The place in the order, not the caller's cursor: `protocols` makes that of it. */
  readonly next: string | null
}

/** Places that are numbers: fifteen digits at most, so that each is exact. */
export const numberPlace = /^[1-9][0-9]{0,14}$/u

export interface PageQuery {
  readonly limit: number
  /** `next` of the page before. */
  readonly after: string | null
}

export interface TokenQuery {
  readonly appName: string | null
  readonly endpointId: string | null
  /** Empty: all. `Revoked` includes ended ones; the others exclude them. */
  readonly statuses: ReadonlyArray<TokenStatus>
  /** Of one of these. Null or missing, here and below: of whichever. */
  readonly applications?: ReadonlyArray<string> | null
  /** Made before this moment. */
  readonly createdBefore?: number | null
  /** The principal that made it, to the letter. */
  readonly createdBy?: string | null
  /** Whose last use is before this moment; of one that was never used, its creation. */
  readonly unusedSince?: number | null
  /** Which has not ended, and whose nearer end is before this moment. */
  readonly expiringBefore?: number | null
  readonly order: "ASC" | "DESC"
  readonly limit: number
  /** `next` of the page before; ordered by token id, which is ordered by creation. */
  readonly after: string | null
}
