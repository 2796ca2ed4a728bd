/**
 * Keys after their first day: found one by one, replaced, counted, retired; and the rows that were
 * written with them, moved from one key to another.
 *
 * A row is moved only from what it was read as, under its tenant's lock, so a move never undoes a
 * change and never doubles one; a row that changed meanwhile is left for the next page. Moving says
 * nothing to caches: what a row means stays the same.
 *
 * What an operator does to keys is written with its audit row and its event, so it goes through
 * `TenantStore.transact`: `Load`, `Loaded` and `Changes` there carry the parts declared here. What the
 * service does to keys by itself (too old, used too often, not needed any more) is done here.
 *
 * "A row needs a key": the hash of a token was made with it, a secret's version or an idempotent
 * answer is sealed with it. `retire` refuses while a row does. What is found by a fingerprint key says nothing of it, and is
 * counted by its age (`countRemembered`).
 *
 * Its layers: `MemoryKeyRotationStore.ts`, `MariaKeyRotationStore.ts`. Both pass
 * `test/suites/keyRotationStoreSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { Token } from "../domain/Token.ts"
import type { KeyPurpose, StoredKey } from "./KeyStore.ts"
import type { StoreUnavailable } from "./StoreError.ts"

/** A key with its age by the database's clock. A retired key whose material was erased has none left in `wrapped`. */
export interface AgedKey extends StoredKey {
  readonly ageMs: number
}

/** What it says is in its tag, which changes with its hash. */
export type HashedRow = Token

export interface HashMove extends HashedRow {
  readonly newHash: Uint8Array
  readonly newMac: Uint8Array | undefined
}

/** The sealed secret of one version of a credential. What it says is in its tag, which is its end. */
export interface SealedRow {
  readonly tenantId: string
  readonly credentialId: string
  readonly version: number
  readonly sealed: Uint8Array
}

/** Bytes of the tag that a sealed record ends with. */
export const tagBytes = 16
/** By it a row is told from what was read: no two records of one place and key have the same, whatever they hold. */
export const tagOf = (sealed: Uint8Array): Uint8Array => sealed.subarray(-tagBytes)

/** Where a page ended: the next one begins after it. Null: with the first row. */
export type HashedPlace = Pick<HashedRow, "tenantId" | "tokenId"> | null
export type SealedPlace = Pick<SealedRow, "credentialId" | "version"> | null

export interface SealedMove extends SealedRow {
  readonly newKeyId: string
  readonly newSealed: Uint8Array
}

/** One run of moving rows to other keys. */
export interface RotationMark {
  /** UNIX milliseconds, database clock. */
  readonly startedAt: number
  /** Rows that had to be moved. Null: nobody has counted them yet. */
  readonly total: number | null
  /** Rows moved since it began. */
  readonly moved: number
  /** How long ago the first of them was moved, or null. */
  readonly movingMs: number | null
  /** Nothing was left; what has to be moved after that belongs to the next run. */
  readonly isOver: boolean
}

/** From the youngest to the oldest, both of them too, by the database's clock. */
export interface AgesMs {
  readonly youngest: number
  readonly oldest: number
}

/** So many rows, and where to go on; null: they were the last. */
export interface CountedSlice {
  readonly rows: number
  readonly next: string | null
}

// ---- parts of a transaction --------------------------------------------------------

/** Keys that a group of commands may change. Those of the whole service are loaded with any. */
export interface KeyLoad {
  /** Keys of whomever, with the number of rows that need each. */
  readonly ids: ReadonlyArray<string>
  /** Whether tenants' keys may be demoted, so that their number is wanted. */
  readonly tenantKeys: boolean
}

/** The keys in it are locked. */
export interface KeysLoaded {
  /** By id: of the service, as long as their material is there, and those named. */
  readonly keys: ReadonlyMap<string, AgedKey>
  /** Of each that was named and is there: rows that need it, counted up to `neededRowsMax`. */
  readonly rows: ReadonlyMap<string, number>
  /** Tenants with an active data key; 0 when not asked for. */
  readonly tenantKeys: number
}

export interface KeyChanges {
  /** The key becomes retiring, its successor active, its age 0; and a run of moving rows begins. */
  readonly replaced: ReadonlyArray<{ readonly keyId: string; readonly successor: StoredKey }>
  /** Every tenant's active data key becomes retiring; the next one who needs one makes it. */
  readonly tenantKeysDemoted: boolean
  /** Must be retiring. One that a row of the same transaction needs after all breaks `keyNeededConstraint`. */
  readonly retired: ReadonlyArray<string>
  /** Of tenants that were removed: retired, and the material is gone. One that a row needs breaks `keyNeededConstraint`. */
  readonly destroyed?: ReadonlyArray<string>
}

/** A key whose tenant was removed longer ago than its rows are kept. */
export interface EndedKey {
  readonly keyId: string
  readonly tenantId: string
  /** When the tenant was removed. UNIX milliseconds. */
  readonly endedAt: number
  readonly retentionMs: number
}

export const neededRowsMax = 1_000
export const keyNeededConstraint = "data_keys.needed"

export const mergeKeyLoads = (loads: ReadonlyArray<KeyLoad>): KeyLoad => ({
  ids: Array.from(new Set(loads.flatMap(({ ids }) => ids))),
  tenantKeys: loads.some(({ tenantKeys }) => tenantKeys)
})

// ---- the store ---------------------------------------------------------------------

export type Retired = "retired" | "inUse" | "active" | "unknown"

/** Rows of one page at most. */
export const movePageMax = 1_000
/** A page of sealed records ends with the one that brings it there, however few those are. */
export const sealedPageBytesMax = 8_388_608
/** Whether there may be more behind a page of sealed records of which `limit` were asked for. */
export const isSealedPageFull = (rows: ReadonlyArray<SealedRow>, limit: number): boolean =>
  rows.length >= limit || rows.reduce((bytes, { sealed }) => bytes + sealed.byteLength, 0) >= sealedPageBytesMax
/** Keys that are counted under at once at most. */
export const countKeysMax = 256

export class KeyRotationStore extends Context.Service<
  KeyRotationStore,
  {
    // ---- keys
    /** Of the whole service, whatever their state, as long as their material is there. */
    readonly serviceKeys: Effect.Effect<ReadonlyArray<AgedKey>, StoreUnavailable>
    /** Of the whole service and of a purpose, whatever their state, also those whose material is gone. By id. */
    readonly keysOf: (purpose: KeyPurpose) => Effect.Effect<ReadonlyArray<AgedKey>, StoreUnavailable>
    readonly findKey: (keyId: string) => Effect.Effect<AgedKey | undefined, StoreUnavailable>
    readonly activeKey: (
      purpose: KeyPurpose,
      tenantId: string | null
    ) => Effect.Effect<AgedKey | undefined, StoreUnavailable>
    /** Ascending by id, after `after`. */
    readonly listKeys: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<ReadonlyArray<AgedKey>, StoreUnavailable>
    /** Ascending by id. */
    readonly retiringKeys: (limit: number) => Effect.Effect<ReadonlyArray<AgedKey>, StoreUnavailable>
    /**
     * In one transaction: `expectedKeyId` becomes retiring, `successor` active, its age 0. False, and
     * nothing changed, when `expectedKeyId` is not active any more.
     */
    readonly replaceActive: (expectedKeyId: string, successor: StoredKey) => Effect.Effect<boolean, StoreUnavailable>
    /** An active key becomes retiring; the next one who needs an active key makes one. False: it was not active. */
    readonly demote: (keyId: string) => Effect.Effect<boolean, StoreUnavailable>
    /** A retiring key that no row needs becomes retired. Repeating it is `retired`. */
    readonly retire: (keyId: string) => Effect.Effect<Retired, StoreUnavailable>
    /** A retired key that a row needs after all becomes retiring again. Answers how many. */
    readonly reviveNeeded: Effect.Effect<number, StoreUnavailable>
    /** Erases the material of keys that have been retired for `ageMs` and that no row needs. Answers how many. */
    readonly eraseRetired: (ageMs: number) => Effect.Effect<number, StoreUnavailable>
    /**
     * Keys of removed tenants whose retention is over (their tenant's own, else the one given), that hold
     * material and that no row needs, longest ended first. `eraseRetired` leaves them alone: they are destroyed
     * in a transaction of `global`, with the row of its audit that says so.
     */
    readonly endedKeys: (retentionMs: number, limit: number) => Effect.Effect<ReadonlyArray<EndedKey>, StoreUnavailable>
    /** Of these, those that may be used still: there, not retired, with their material. */
    readonly usableAmong: (keyIds: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>, StoreUnavailable>
    /** Adds to the records sealed with a key; answers the sum. 0 for a key that is not there. */
    readonly addUses: (keyId: string, uses: number) => Effect.Effect<number, StoreUnavailable>
    /** Exchanges the wrapping of a key that is still wrapped by `expectedMasterKeyId`, byte for byte as read. */
    readonly rewrap: (
      key: StoredKey,
      next: { readonly masterKeyId: string; readonly wrapped: Uint8Array }
    ) => Effect.Effect<boolean, StoreUnavailable>

    // ---- rows
    // Counting reads so many rows as it is told and no more: tables may be larger than a statement's time.
    /** Rows that need a key, counted up to `limit`. */
    readonly countRows: (keyId: string, limit: number) => Effect.Effect<number, StoreUnavailable>
    /** Remembered answers that are so old, counted up to `limit`: no row says which fingerprint key it is found by. */
    readonly countRemembered: (ages: AgesMs, limit: number) => Effect.Effect<number, StoreUnavailable>
    /** Rows under retiring keys that can be moved, counted up to `limit`. */
    readonly countMovable: (limit: number) => Effect.Effect<number, StoreUnavailable>
    /** The same under these keys, whatever their state; `countKeysMax` of them at most. */
    readonly countMovableUnder: (
      keyIds: ReadonlyArray<string>,
      limit: number
    ) => Effect.Effect<number, StoreUnavailable>
    /** The same under one key in pieces of `limit`; `after` is `next` of the piece before. */
    readonly countMovableSlice: (
      keyId: string,
      after: string | null,
      limit: number
    ) => Effect.Effect<CountedSlice, StoreUnavailable>
    /** Retiring keys with rows that can be moved, but for tenants that are being removed, ascending by id, after `after`. */
    readonly movableKeys: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<ReadonlyArray<AgedKey>, StoreUnavailable>
    /** Tokens whose hash was made with a key, after a place, ascending: tenant by tenant. */
    readonly hashedRows: (
      keyId: string,
      limit: number,
      after?: HashedPlace
    ) => Effect.Effect<ReadonlyArray<HashedRow>, StoreUnavailable>
    /** Answers how many were moved. */
    readonly moveHashes: (
      fromKeyId: string,
      toKeyId: string,
      moves: ReadonlyArray<HashMove>
    ) => Effect.Effect<number, StoreUnavailable>
    /**
     * Secrets that are sealed with a key, after a place, ascending: credential by credential. `isSealedPageFull` says whether
     * there may be more.
     */
    readonly sealedRows: (
      keyId: string,
      limit: number,
      after?: SealedPlace
    ) => Effect.Effect<ReadonlyArray<SealedRow>, StoreUnavailable>
    readonly moveSealed: (
      fromKeyId: string,
      moves: ReadonlyArray<SealedMove>
    ) => Effect.Effect<number, StoreUnavailable>

    // ---- the run under way, or the last one, for its progress. Every move adds to it, in its own transaction.
    readonly mark: Effect.Effect<RotationMark | undefined, StoreUnavailable>
    /** A run begins now, by the database's clock, in place of what was there. */
    readonly beginMark: Effect.Effect<void, StoreUnavailable>
    /** So many rows are left in the run that began then; counts once. */
    readonly setLeft: (startedAt: number, left: number) => Effect.Effect<void, StoreUnavailable>
    readonly endMark: (startedAt: number) => Effect.Effect<void, StoreUnavailable>
  }
>()("cm/store/KeyRotationStore") {}
