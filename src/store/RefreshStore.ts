/**
 * What the runtime of refreshes reads and writes beside the tenants' own transactions.
 *
 * A credential's refresh is changed through `TenantStore.transact` only, but for three things that
 * decide nothing: `pick`, `putBack`, `rest` and `sift` move the moment at which somebody looks again, and write nothing else of the
 * row, be it what the service wrote or not; `putAnswer` keeps what a provider said, whatever became of the claim that it was
 * asked under; and turns at a provider, and how they ended, are counted.
 *
 * Promises: an answer that was put is found by `standing` until a transaction deletes it, whatever somebody else wrote in
 * its place before, and a second put of the same term changes nothing; of a lane no more turns are taken in any minute, and held at a time,
 * than it was asked for, over all replicas; a circuit (`domain/Circuit.ts`) that one replica opened is open for
 * all, and lets one try. All times are the database's clock.
 *
 * Its layers: `MemoryRefreshStore.ts`, `MariaRefreshStore.ts`. Both pass `test/suites/refreshStoreSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { CircuitKind, CircuitState } from "../domain/Circuit.ts"
import type { Credential, CredentialVersion } from "../domain/Credential.ts"
import type { ProviderEntry } from "../domain/ProviderEntry.ts"
import { heldVersions, type Refresh } from "../domain/Refresh.ts"
import type { RotatorEntry } from "../domain/Rotator.ts"
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

/** Where an exchange goes. Keys are 16 bytes, hex. */
export interface Route {
  /** The provider and the client at it: what shares a rate, and the client's circuit. */
  readonly lane: string
  /** The provider at one address: its circuit. */
  readonly circuit: string
  /** The client at one address: what is picked, or left alone, together. */
  readonly queue: string
  /** Whose provider, and which: `tenant/name`, or `/name` for everybody's. */
  readonly provider: string
}

export interface QueueRules extends Route {
  readonly ratePerMinute: number
  readonly parallel: number
}

export interface TurnRequest extends QueueRules {
  /** After which a turn that was not given back is over. */
  readonly holdMs: number
  /** Open circuits do not count: somebody asked, or waiting may cost a grant. */
  readonly passes: boolean
}

export type Turn =
  | { readonly _tag: "Taken"; readonly turnId: number }
  | { readonly _tag: "Full"; readonly retryAfterMs: number }
  | { readonly _tag: "Open"; readonly of: CircuitKind; readonly retryAfterMs: number }

/**
 * How a turn ended. `ok`: the provider answered, be it that the grant is gone. `none`: nobody was asked, so who
 * would have tried a circuit that is half open leaves that to the next one.
 */
export type TurnResult =
  | { readonly _tag: "ok" | "none" | "provider" | "client" }
  /** Asked too often. */
  | { readonly _tag: "limited"; readonly retryAfterMs: number }

export interface CircuitChange {
  readonly of: CircuitKind
  readonly to: "open" | "closed"
  /** How long it stays so at least; 0 for a closed one. */
  readonly forMs: number
}

/** A circuit that is not closed. */
export interface CircuitView {
  readonly of: CircuitKind
  readonly state: Exclude<CircuitState, "closed">
  readonly until: number
}

export interface Picked {
  /** In the order in which they should begin. */
  readonly refs: ReadonlyArray<CredentialRef>
  /** More is due, and may begin as soon as there is room. */
  readonly more: boolean
}

/** Where a walk over what is due stands. */
export interface DuePlace {
  readonly dueAt: number
  readonly credentialId: string
}

export interface Sifting {
  /** Null: from the beginning. */
  readonly after: DuePlace | null
  readonly limit: number
  readonly holds: (credential: Credential) => boolean
  readonly forMs: number
}

export interface Sifted {
  readonly changed: ReadonlyArray<CredentialRef>
  /** Null: all was walked over. */
  readonly next: DuePlace | null
}

export class RefreshStore extends Context.Service<
  RefreshStore,
  {
    /**
     * Credentials that are due, as `FairPick.ts` chooses, at most `limit`; none of a queue that is closed, and none of a
     * tenant that has its share of what is free `underWay` already, where that is said. Nobody else is given them for `pickedMs`, unless something
     * is decided of them before.
     */
    readonly pick: (limit: number, underWay?: ReadonlyMap<string, number>) => Effect.Effect<Picked, StoreUnavailable>
    /** One that was given and did not begin: it is due again after `inMs`. */
    readonly putBack: (credentialId: string, inMs: number) => Effect.Effect<void, StoreUnavailable>
    /**
     * One of which nothing can be done, as it was seen in this version (null: it could not be read): nobody is given it
     * for `forMs`; null: until its next change.
     */
    readonly rest: (
      credentialId: string,
      version: number | null,
      forMs: number | null
    ) => Effect.Effect<void, StoreUnavailable>
    /** Of what is due those that do not hold, or cannot be read, rest as well: one page of it, in the order of due moments. */
    readonly sift: (request: Sifting) => Effect.Effect<Sifted, StoreUnavailable>
    readonly standing: (tenantId: string, credentialId: string) => Effect.Effect<Standing | undefined, StoreUnavailable>
    /**
     * Of a credential that is there and was not revoked, or is still to be revoked at its provider; else nothing is
     * kept and it answers false.
     */
    readonly putAnswer: (tenantId: string, answer: CredentialVersion) => Effect.Effect<boolean, StoreUnavailable>
    /** The tenant's own and those of `global` of these names, or all of them, by name. */
    readonly providers: (
      tenantId: string,
      name: string | null
    ) => Effect.Effect<ReadonlyArray<StoredProvider>, StoreUnavailable>
    /** Likewise. */
    readonly rotators: (
      tenantId: string,
      name: string | null
    ) => Effect.Effect<ReadonlyArray<RotatorEntry>, StoreUnavailable>
    /** Before anything of a queue is stored: what is not known of a queue is not seen behind a backlog. */
    readonly knowQueue: (rules: QueueRules) => Effect.Effect<void, StoreUnavailable>
    readonly takeTurn: (request: TurnRequest) => Effect.Effect<Turn, StoreUnavailable>
    /** The turn, and what it tries, is held for `forMs` from now at least, where it is held still; false: it is over. */
    readonly keepTurn: (turnId: number, route: Route, forMs: number) => Effect.Effect<boolean, StoreUnavailable>
    /** Gives the turn back and counts how it ended; answers the circuits that changed by it. */
    readonly endTurn: (
      turnId: number,
      route: Route,
      result: TurnResult,
      /** In [0, 1): spreads the times of circuits. */
      chance: number
    ) => Effect.Effect<ReadonlyArray<CircuitChange>, StoreUnavailable>
    /** Those of a provider that are not closed. */
    readonly circuits: (provider: string) => Effect.Effect<ReadonlyArray<CircuitView>, StoreUnavailable>
    /** The provider's entry was changed: what was known of it counts no more. */
    readonly forgetCircuits: (provider: string) => Effect.Effect<void, StoreUnavailable>
    /** Deletes rows of versions that have no secret any more and that no history shows. */
    readonly pruneVersions: (tenantId: string, credentialId: string) => Effect.Effect<number, StoreUnavailable>
  }
>()("cm/store/RefreshStore") {}

/**
 * Whether what stands in the place of this answer is the answer, or what became of it. Else somebody who writes to the
 * database put it there, and the answer may hold the only live grant.
 */
export const isKeptAt = (
  there: Pick<CredentialVersion, "state" | "sealed">,
  { sealed, version }: Pick<CredentialVersion, "sealed" | "version">,
  refresh: Refresh | undefined
): boolean =>
  there.state === "answer" ||
  (refresh !== undefined && heldVersions(refresh.holding).has(version)) ||
  (there.sealed !== null && sealed !== null && Buffer.compare(there.sealed, sealed) === 0)

/** How long a turn counts against the rate. */
export const rateWindowMs = 60_000
/** A provider that says for how long it was asked too often is left alone so long at most. */
export const limitedMsMax = 60_000
/** Due work begins within 20 s, so what was picked and not begun comes again before that. */
export const pickedMs = 15_000
/** No turn is held for so long: what says so counts as given back. */
export const heldMsMax = 3_600_000
/** No room at the moment, for others are under way. */
export const busyRetryMs = 250
