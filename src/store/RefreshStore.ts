/**
 * What the runtime of refreshes reads and writes beside the tenants' own transactions.
 *
 * A credential's refresh is changed through `TenantStore.transact` only, but for three things that
 * decide nothing: `pick` moves the moment at which somebody looks again, so that two replicas do not look
 * at the same ones; `putAnswer` keeps what a provider said, whatever became of the claim that it was
 * asked under; and turns at a provider are counted.
 *
 * Promises: an answer that was put is found by `standing` until a transaction deletes it, and a second
 * put of the same term changes nothing; of a lane no more turns are taken in any minute, and held at a time,
 * than it was asked for, over all replicas. All times are the database's clock.
 *
 * Its layers: `MemoryRefreshStore.ts`, `MariaRefreshStore.ts`. Both pass `test/suites/refreshStoreSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { Credential, CredentialVersion } from "../domain/Credential.ts"
import type { ProviderEntry } from "../domain/ProviderEntry.ts"
import type { CredentialRef } from "./CredentialStore.ts"
import type { StoreUnavailable } from "./StoreError.ts"

/** A credential at one moment, with what its holding names. */
export interface Standing {
  readonly credential: Credential
  /** Of the tenant's own row; without one it is on. */
  readonly serviceActive: boolean
  /** Those that still hold a secret, answers that were not settled among them, ascending. */
  readonly versions: ReadonlyArray<CredentialVersion>
  readonly now: number
}

export interface StoredProvider {
  readonly entry: ProviderEntry
  /** The version with its secrets; undefined where it has none. */
  readonly sealed: Uint8Array | undefined
}

export interface TurnRequest {
  /** 16 bytes, hex. */
  readonly lane: string
  readonly ratePerMinute: number
  readonly parallel: number
  /** After which a turn that was not given back is over. */
  readonly holdMs: number
}

export type Turn =
  | { readonly _tag: "Taken"; readonly turnId: number }
  | { readonly _tag: "Full"; readonly retryAfterMs: number }

export class RefreshStore extends Context.Service<
  RefreshStore,
  {
    /**
     * Credentials that are due, those nearest to their grant's final end first, at most `limit`. Nobody else
     * is given them for `againMs`, unless something is decided of them before.
     */
    readonly pick: (
      limit: number,
      againMs: number,
      closedLanes: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<CredentialRef>, StoreUnavailable>
    readonly standing: (tenantId: string, credentialId: string) => Effect.Effect<Standing | undefined, StoreUnavailable>
    /** Of a credential that is there and was not revoked; else nothing is kept and it answers false. */
    readonly putAnswer: (tenantId: string, answer: CredentialVersion) => Effect.Effect<boolean, StoreUnavailable>
    /** The tenant's own and those of `global` of these names, or all of them, by name. */
    readonly providers: (
      tenantId: string,
      name: string | null
    ) => Effect.Effect<ReadonlyArray<StoredProvider>, StoreUnavailable>
    readonly takeTurn: (request: TurnRequest) => Effect.Effect<Turn, StoreUnavailable>
    readonly endTurn: (turnId: number) => Effect.Effect<void, StoreUnavailable>
  }
>()("cm/store/RefreshStore") {}

/** How long a turn counts against the rate. */
export const rateWindowMs = 60_000
/** Providers that a tenant may have of its own. */
export const providersMax = 1_000
