/**
 * Where client credentials are read; they are changed through `TenantStore.transact` only, whose `Load`,
 * `Loaded` and `Changes` carry the parts declared here.
 *
 * A name (a username; an issuer with its serial number) is unique on the platform: `namesTaken` says whose
 * it is whoever's it is, and the unique index `uq_client_credentials_name` decides between two at once
 * (`StatementRejected`). Names are compared byte by byte.
 *
 * Its layers: `MemoryClientStore.ts`, `MariaClientStore.ts`. Both pass `test/suites/clientStoreSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { ClientCredential, ClientName, FoundClient } from "../domain/ClientCredential.ts"
import type { Page } from "../domain/Page.ts"
import type { TokenStatus } from "../domain/Token.ts"
import type { StoreUnavailable } from "./StoreError.ts"

export const uniqueNameConstraint = "client_credentials.uq_client_credentials_name"

// ---- parts of a transaction ---------------------------------------------------

export interface ClientLoad {
  /** Of this tenant. */
  readonly ids: ReadonlyArray<string>
  /** Whether somebody has them, another tenant included. */
  readonly names: ReadonlyArray<ClientName>
}

export interface ClientLoaded {
  readonly credentials: ReadonlyMap<string, ClientCredential>
  /** By `nameKey`: the id of who has it, whoever's it is. */
  readonly namesTaken: ReadonlyMap<string, string>
}

export interface ClientChanges {
  readonly inserted: ReadonlyArray<ClientCredential>
  readonly updated: ReadonlyArray<ClientCredential>
  readonly deleted: ReadonlyArray<string>
}

export const noClients: ClientLoad = { ids: [], names: [] }

/** Everything that any of them names. */
export const mergeClientLoads = (loads: ReadonlyArray<ClientLoad>): ClientLoad => ({
  ids: Array.from(new Set(loads.flatMap(({ ids }) => ids))),
  names: loads.flatMap(({ names }) => names)
})

// ---- reads --------------------------------------------------------------------

export interface ClientQuery {
  readonly clientId: string | null
  /** Empty: all. */
  readonly statuses: ReadonlyArray<TokenStatus>
  /** Null: both. */
  readonly kind: ClientName["kind"] | null
  readonly limit: number
  /** `next` of the page before; by credential id, newest first. */
  readonly after: string | null
}

export interface ClientRef {
  readonly tenantId: string
  readonly credentialId: string
}

export class ClientStore extends Context.Service<
  ClientStore,
  {
    readonly find: (
      tenantId: string,
      credentialId: string
    ) => Effect.Effect<ClientCredential | undefined, StoreUnavailable>
    readonly list: (tenantId: string, query: ClientQuery) => Effect.Effect<Page<ClientCredential>, StoreUnavailable>
    /**
     * For validations: by name, each with its tenant's revocation sequence in one snapshot. What belongs to a
     * removed tenant is not found. Rejects with `StoreUnavailable`; the answer has a place for each name.
     */
    readonly byNames: (names: ReadonlyArray<ClientName>) => Promise<ReadonlyArray<FoundClient | undefined>>
    /** Of tenants that were removed. */
    readonly orphaned: (limit: number) => Effect.Effect<ReadonlyArray<ClientRef>, StoreUnavailable>
  }
>()("cm/store/ClientStore") {}
