/**
 * A population of tokens that is being revoked, as a row: what was asked, by whom, and how far it came.
 *
 * A piece of the work and how far it came are written in one transaction of the tenant, so nothing is done
 * twice and nothing is left out, whichever replica goes on. `finishedAt` is written when all of it is in force.
 */
import type { Principal } from "../domain/Principal.ts"
import type { TokenPopulation, WalkPlace } from "../domain/TokenPopulation.ts"

export interface RevokeAll {
  /** UUIDv7. */
  readonly operationId: string
  readonly tenantId: string
  readonly population: TokenPopulation
  readonly reason: string | null
  /** Who asked; its events and its rows of the audit name this principal. */
  readonly asker: Principal
  readonly correlationId: string
  /** Tokens that the population had when it was asked for; with `isAtLeast` as many as were counted in time. */
  readonly matched: number
  readonly isAtLeast: boolean
  readonly done: number
  readonly place: WalkPlace
  readonly startedAt: number
  /** When all of it was in force; null while it goes on. */
  readonly finishedAt: number | null
  /** Tag of all that (`crypto/RowTags.ts`). */
  readonly mac?: Uint8Array | undefined
}

/** What a transaction sees of a tenant's operations. */
export interface RevokeAllLoaded {
  /** Those that were asked for and are the tenant's, by id. */
  readonly found: ReadonlyMap<string, RevokeAll>
  /** How many of the tenant's are not finished. */
  readonly open: number
}

/** Finished ones are kept for so long, to be asked about. */
export const keptForMs = 30 * 86_400_000
