/**
 * Keys at rest: every one wrapped by a master key that is not in the database, and the fingerprints
 * of the master keys that the data was written with.
 */
import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "./StoreError.ts"

export type KeyPurpose =
  | "token-hash"
  | "seal"
  | "fingerprint"
  | "tenant-data"
  | "audit-signing"
  | "replica-seal"
  | "row-tag"
export type KeyState = "active" | "retiring" | "retired"

export interface StoredKey {
  /** UUIDv7. */
  readonly keyId: string
  readonly purpose: KeyPurpose
  /** Null for a key of the whole service. */
  readonly tenantId: string | null
  readonly state: KeyState
  readonly masterKeyId: string
  /** Sealed record of the key under the master key. */
  readonly wrapped: Uint8Array
  readonly createdAt: number
  /** Of a key that signs the audit and followed another: the step between them, as text (`crypto/AuditKeyLink`). */
  readonly link?: string
}

export class KeyStore extends Context.Service<
  KeyStore,
  {
    readonly masterKeyFingerprints: Effect.Effect<
      ReadonlyArray<{ readonly masterKeyId: string; readonly fingerprint: string }>,
      StoreUnavailable
    >
    /** Idempotent. */
    readonly addMasterKeyFingerprint: (
      masterKeyId: string,
      fingerprint: string
    ) => Effect.Effect<void, StoreUnavailable>
    readonly keys: Effect.Effect<ReadonlyArray<StoredKey>, StoreUnavailable>
    /**
     * Inserts unless an active key of that purpose and tenant exists; answers the active one.
     * Two replicas that start at once agree on one key.
     */
    readonly ensureActive: (candidate: StoredKey) => Effect.Effect<StoredKey, StoreUnavailable>
    /** Whether the database holds any row that was written with a key (so that a missing key file is an error). */
    readonly hasData: Effect.Effect<boolean, StoreUnavailable>
  }
>()("cm/store/KeyStore") {}
