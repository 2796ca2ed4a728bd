/**
 * A whole population of a tenant's tokens, and how one walks through it: what `token.revoke-all` names.
 *
 * What is asked for must hold all together. The population is of the moment at which it was named: tokens
 * made later are never of it. A walk goes street by street (the endpoints that were named, else the
 * applications, else the tenant as one), along each by token id, so that a place in it is a few bytes and
 * whoever goes on from there misses none.
 */
import type { TokenQuery } from "./Page.ts"
import { shownStatus, type Token } from "./Token.ts"

export interface TokenPopulation {
  /** Null: of all of them. */
  readonly applications: ReadonlyArray<string> | null
  readonly endpointIds: ReadonlyArray<string> | null
  readonly createdBefore: number | null
  /** The principal that made them, to the letter. */
  readonly createdBy: string | null
  /** Those whose last use is before this; of one that was never used, its creation. */
  readonly unusedSince: number | null
}

export interface WalkPlace {
  readonly street: number
  /** The last token id that was looked at; null at the beginning of the street. */
  readonly after: string | null
}

export const walkBegin: WalkPlace = { street: 0, after: null }

interface Street {
  readonly appName: string | null
  readonly endpointId: string | null
}

const streetsOf = ({ applications, endpointIds }: TokenPopulation): ReadonlyArray<Street> =>
  endpointIds?.map((endpointId) => ({ endpointId, appName: null })) ??
  applications?.map((appName) => ({ appName, endpointId: null })) ?? [{ appName: null, endpointId: null }]

/** What may still be taken away: Revoked ones are not of any population. */
const living = ["Inactive", "Active", "Suspended"] as const

/** The next piece of a walk, as a question to the store; null when the walk is over. */
export const pieceAt = (population: TokenPopulation, place: WalkPlace, limit: number): TokenQuery | null => {
  const street = streetsOf(population)[place.street]
  if (street === undefined) return null
  const { createdBefore, createdBy, unusedSince } = population
  return {
    ...street,
    applications: street.endpointId === null ? null : population.applications,
    statuses: living,
    createdBefore,
    createdBy,
    unusedSince,
    order: "ASC",
    limit,
    after: place.after
  }
}

/** Where the walk goes on; `next` is where the piece's page ended, null at the end of its street. */
export const placeAfter = (place: WalkPlace, next: string | null): WalkPlace =>
  next === null ? { street: place.street + 1, after: null } : { street: place.street, after: next }

/** Whether the token, as it is now, is of the population and has not gone yet. */
export const isOf = (population: TokenPopulation, token: Token, now: number): boolean =>
  (population.applications?.includes(token.appName) ?? true) &&
  (population.endpointIds?.includes(token.endpointId) ?? true) &&
  (population.createdBefore === null || token.createdAt < population.createdBefore) &&
  (population.createdBy === null || token.createdBy === population.createdBy) &&
  (population.unusedSince === null || (token.lastUsedAt ?? token.createdAt) < population.unusedSince) &&
  shownStatus(token, now) !== "Revoked"
