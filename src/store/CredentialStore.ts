/**
 * Where third-party credentials are read: metadata, versions, services, and what the sweeps look for.
 *
 * They are changed through `TenantStore.transact` only, in the transaction of the tenant: `Load`,
 * `Loaded` and `Changes` there carry the parts declared here. Under the tenant's lock a credential's
 * rows are the truth; rows of the tenant `global` that another tenant loads are read as last
 * committed and must not be changed.
 *
 * Nothing here returns a secret in clear: `CredentialVersion.sealed` is a sealed record.
 *
 * "Only one active credential for a tenant, service and owner" is the unique index
 * `uq_credentials_active`; breaking it fails the transaction with `StatementRejected`.
 *
 * Its layers: `MemoryCredentialStore.ts`, `MariaCredentialStore.ts`. Both pass
 * `test/suites/credentialStoreSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { Credential, CredentialVersion, TenantService } from "../domain/Credential.ts"
import type { Page, PageQuery } from "../domain/Page.ts"
import type { ProviderEntry } from "../domain/ProviderEntry.ts"
import type { RotatorEntry } from "../domain/Rotator.ts"
import type { Tenant } from "../domain/Tenant.ts"
import type { StoreUnavailable } from "./StoreError.ts"

export const uniqueActiveConstraint = "uq_credentials_active"

// ---- parts of a transaction ---------------------------------------------------

/** A service name and an owner key (`domain/Credential.ownerKey`) as one text. */
export const slotKey = (serviceName: string, ownerKey: string): string => `${serviceName}/${ownerKey}`
export const serviceNameOfSlot = (slot: string): string => slot.slice(0, slot.indexOf("/"))
export const ownerKeyOfSlot = (slot: string): string => slot.slice(slot.indexOf("/") + 1)

export interface CredentialLoad {
  /** Of this tenant or of `global`. With each comes the active one of its slot. */
  readonly ids: ReadonlyArray<string>
  /** `slotKey`s of this tenant: the active one of each, or else the newest ended one. */
  readonly slots: ReadonlyArray<string>
  /** The same of the tenant `global`. */
  readonly globalSlots: ReadonlyArray<string>
  /** Service rows by name, beside those of the credentials found. */
  readonly serviceNames: ReadonlyArray<string>
  /** Whether to count the tenant's service rows. */
  readonly countServices: boolean
  /** Providers of this tenant by name, each with whether a credential names it. */
  readonly providers?: ReadonlyArray<string> | undefined
  /** Likewise of rotators, with how many the tenant has. */
  readonly rotators?: ReadonlyArray<string> | undefined
}

/** A tenant's row and the services that it has switched off, from one snapshot, with the tag over both. */
export interface TaggedTenant extends Pick<Tenant, "tenantId" | "createdAt" | "removedAt"> {
  /** SHA-256, hex, of the names in their order with slashes between; empty where there are none. */
  readonly servicesOff: string
  readonly mac?: Uint8Array | undefined
}

export interface CredentialLoaded {
  readonly credentials: ReadonlyMap<string, Credential>
  /** By credential id, ascending: the versions that still hold a secret. */
  readonly versions: ReadonlyMap<string, ReadonlyArray<CredentialVersion>>
  /** Of this tenant and of `global`, by `tenantId/serviceName`. */
  readonly services: ReadonlyMap<string, TenantService>
  /** The tenant's service rows, counted up to `servicesSwitchedMax`; null when nobody asked. */
  readonly serviceCount: number | null
  /** The names of those that are switched off; null when nobody asked for the count. */
  readonly servicesOff: ReadonlyArray<string> | null
  /** This tenant and `global`, as their tags have them. */
  readonly tenants: ReadonlyMap<string, TaggedTenant>
  /** Of this tenant alone, by name; there when `CredentialLoad.providers` was. */
  readonly providers?: ReadonlyMap<string, ProviderEntry> | undefined
  /** Those of the names that a credential has that would mean this tenant's. */
  readonly providersInUse?: ReadonlySet<string> | undefined
  /** Counted up to `providersMax`. */
  readonly providerCount?: number | undefined
  readonly rotators?: ReadonlyMap<string, RotatorEntry> | undefined
  readonly rotatorsInUse?: ReadonlySet<string> | undefined
  /** Counted up to `rotatorsMax`. */
  readonly rotatorCount?: number | undefined
}

export interface CredentialChanges {
  readonly inserted: ReadonlyArray<Credential>
  readonly updated: ReadonlyArray<Credential>
  /** With all their versions. */
  readonly deleted: ReadonlyArray<string>
  /** Inserted or replaced, by credential id and version. */
  readonly versions: ReadonlyArray<CredentialVersion>
  readonly services: ReadonlyArray<TenantService>
  /** Answers of providers that were settled. */
  readonly versionsDeleted?: ReadonlyArray<Pick<CredentialVersion, "credentialId" | "version">> | undefined
  readonly providers?: ReadonlyArray<ProviderEntry> | undefined
  /** By name, with what is sealed for each. */
  readonly providersDeleted?: ReadonlyArray<string> | undefined
  readonly rotators?: ReadonlyArray<RotatorEntry> | undefined
  readonly rotatorsDeleted?: ReadonlyArray<string> | undefined
}

export const noCredentials: CredentialLoad = {
  ids: [],
  slots: [],
  globalSlots: [],
  serviceNames: [],
  countServices: false
}

const joined = (lists: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => Array.from(new Set(lists.flat()))

/** Everything that any of them names, once. */
export const mergeCredentialLoads = (loads: ReadonlyArray<CredentialLoad>): CredentialLoad => ({
  ids: joined(loads.map((load) => load.ids)),
  slots: joined(loads.map((load) => load.slots)),
  globalSlots: joined(loads.map((load) => load.globalSlots)),
  serviceNames: joined(loads.map((load) => load.serviceNames)),
  countServices: loads.some((load) => load.countServices),
  ...(loads.some((load) => load.providers !== undefined)
    ? { providers: joined(loads.map((load) => load.providers ?? [])) }
    : {}),
  ...(loads.some((load) => load.rotators !== undefined)
    ? { rotators: joined(loads.map((load) => load.rotators ?? [])) }
    : {})
})

// ---- reads --------------------------------------------------------------------

export interface CredentialQuery {
  readonly serviceName: string | null
  readonly isActive: boolean | null
  /** Only those that are active and end within this many milliseconds. */
  readonly expiringWithinMs: number | null
  readonly limit: number
  /** `next` of the page before; ordered by credential id, newest first. */
  readonly after: string | null
}

/** A credential with the state of its service, as one snapshot. */
export interface CredentialView {
  readonly credential: Credential
  readonly serviceActive: boolean
}

export interface CredentialRef {
  readonly tenantId: string
  readonly credentialId: string
}

/** Where a row stands in the index that a sweep goes along; behind it come the ones that are greater in this order. */
export interface SweepPlace {
  /** UNIX milliseconds of the end that has come. */
  readonly dueAt: number
  readonly credentialId: string
  /** Of the secret; 0 where none is meant. */
  readonly version: number
}

export interface PlacedRef extends CredentialRef {
  readonly place: SweepPlace
}

export class CredentialStore extends Context.Service<
  CredentialStore,
  {
    /**
     * The candidates of a request, of the tenant and of `global`: by id, or by slot (user's, tenant's,
     * global one), each with whether its service is active for the asking tenant. `now` is the
     * database's clock.
     */
    readonly find: (
      tenantId: string,
      load: Pick<CredentialLoad, "ids" | "slots" | "globalSlots">
    ) => Effect.Effect<{ readonly views: ReadonlyArray<CredentialView>; readonly now: number }, StoreUnavailable>
    readonly list: (
      tenantId: string,
      query: CredentialQuery
    ) => Effect.Effect<Page<CredentialView> & { readonly now: number }, StoreUnavailable>
    /** Newest first, at most `limit`; empty for a credential that the tenant does not have. */
    readonly versions: (
      tenantId: string,
      credentialId: string,
      limit: number
    ) => Effect.Effect<{ readonly versions: ReadonlyArray<CredentialVersion>; readonly now: number }, StoreUnavailable>
    /** By name. */
    readonly services: (tenantId: string, query: PageQuery) => Effect.Effect<Page<TenantService>, StoreUnavailable>

    // ---- what the sweeps look for, each by an index, oldest first; behind a place, so that what stays there hides nothing
    /** Stored as active, and their end has come. */
    readonly ended: (
      limit: number,
      after?: SweepPlace | null
    ) => Effect.Effect<ReadonlyArray<PlacedRef>, StoreUnavailable>
    /** With a secret that was only kept for an overlap that is over; one for each such version. */
    readonly overlapsOver: (
      limit: number,
      after?: SweepPlace | null
    ) => Effect.Effect<ReadonlyArray<PlacedRef>, StoreUnavailable>
    /** Active, ending within a threshold for which no notice was given yet. */
    readonly noticesDue: (
      thresholdsMs: ReadonlyArray<number>,
      limit: number
    ) => Effect.Effect<ReadonlyArray<CredentialRef>, StoreUnavailable>
    /** Of tenants that were removed, in no order. */
    readonly orphaned: (limit: number) => Effect.Effect<ReadonlyArray<CredentialRef>, StoreUnavailable>
    /** Active credentials by service over all tenants, most first. */
    readonly activeCounts: (
      limit: number
    ) => Effect.Effect<ReadonlyArray<{ readonly serviceName: string; readonly count: number }>, StoreUnavailable>
  }
>()("cm/store/CredentialStore") {}
