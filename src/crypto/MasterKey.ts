/**
 * The key that is not in the database, and opens those that are.
 *
 * `wrap` always uses the active master key; `unwrap` the one that the stored key names. `place`
 * says which key it is (its id, purpose and tenant) and is bound into the ciphertext, so a wrapped
 * key moved to another row does not open. A lost answer is harmless: both may be repeated.
 *
 * `fingerprints` are kept in the database beside the data: they tell, before anything is opened,
 * that this is the master key the data was written with. They say nothing about the key itself.
 *
 * Calls are bounded in time and in number of tries; what fails after that is a `MasterKeyError`,
 * whose `reason` names the situation. Layers: `LocalMasterKey`, `VaultMasterKey`, `AwsKmsMasterKey`;
 * all pass `test/suites/masterKeySuite.ts`.
 */
import { Context, type Effect, Schema } from "effect"

export const masterKeyReasons = [
  /** No connection, a lost answer, or a fault on the other side. */
  "Unreachable",
  "TimedOut",
  "Throttled",
  /** The remote store of keys is sealed and must be opened by its operators. */
  "Sealed",
  /** Our own right to use the key is missing or has run out. */
  "Denied",
  /** No such master key here. */
  "UnknownKey",
  /** Not a ciphertext of this key for this place. */
  "NotOpenable",
  /** An answer that we do not understand. */
  "Malformed"
] as const
export type MasterKeyReason = (typeof masterKeyReasons)[number]

const retryable: ReadonlySet<MasterKeyReason> = new Set(["Unreachable", "TimedOut", "Throttled", "Sealed"])

export class MasterKeyError extends Schema.TaggedError<MasterKeyError>()("MasterKeyError", {
  reason: Schema.Literals(masterKeyReasons),
  operation: Schema.Literals(["wrap", "unwrap", "open"]),
  masterKeyId: Schema.String,
  /** What an operator may be told; never key material, a token or a ciphertext. */
  detail: Schema.String
}) {
  override get message(): string {
    return `master key ${this.masterKeyId}: ${this.operation} failed (${this.reason}): ${this.detail}`
  }
  /** Whether the same call may succeed later without anybody changing anything here. */
  get isRetryable(): boolean {
    return retryable.has(this.reason)
  }
}

export interface MasterKeyFingerprint {
  readonly masterKeyId: string
  /** Lower-case hex of 32 bytes. */
  readonly fingerprint: string
}

export interface Wrapped {
  readonly masterKeyId: string
  readonly wrapped: Uint8Array
}

/** The longest key that is ever wrapped, in bytes: a token hash key with all its layers and a cover. */
export const wrapBytesMax = 1_057

export class MasterKey extends Context.Service<
  MasterKey,
  {
    /** At most 128 characters. */
    readonly activeId: string
    /** Of every master key that can be used here, the active one included. */
    readonly fingerprints: ReadonlyArray<MasterKeyFingerprint>
    readonly wrap: (place: string, key: Uint8Array) => Effect.Effect<Wrapped, MasterKeyError>
    readonly unwrap: (place: string, wrapped: Wrapped) => Effect.Effect<Uint8Array, MasterKeyError>
  }
>()("cm/crypto/MasterKey") {}
