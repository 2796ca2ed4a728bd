/**
 * The data key of each tenant, for its third-party secrets.
 *
 * A tenant's key is made at its first secret, wrapped by the master key, and replaced by a new one
 * after so many records, after so long, or when an operator rotates; what was sealed with an older
 * one still opens until it has been sealed again. A record is bound to its place (tenant, credential,
 * version, purpose) and opens nowhere else.
 *
 * Keys that were used lately are warm, bounded in number: then everything here is done at once. A
 * cold key costs a read of the database and a call to the master key, shared by all who wait for it.
 */
import { Context, type Effect, Schema } from "effect"
import type { NotOpenable } from "./Keyring.ts"

/** The data key could not be had; asking again later may do. */
export class TenantKeyUnavailable extends Schema.TaggedError<TenantKeyUnavailable>()("TenantKeyUnavailable", {
  /** For the log: names what was not reached, never a key. */
  detail: Schema.String,
  isRetryable: Schema.Boolean
}) {}

/** The purpose of the secret of a credential's version; the only one so far. */
export const secretPurpose = "credentials"

/** Where a secret lives. Each text is bound as it is: nothing is trimmed, folded or joined. */
export interface SecretPlace {
  readonly credentialId: string
  readonly version: number
  /** What the secret is for: `secretPurpose`. */
  readonly purpose: string
}

export interface Sealed {
  readonly keyId: string
  readonly sealed: Uint8Array
}

/** Seals at once, with the key that was the tenant's active one when it was asked for. For one request, not to be kept. */
export interface TenantSealer {
  readonly keyId: string
  readonly seal: (place: SecretPlace, plaintext: Uint8Array) => Sealed
  /** True: what was taken of the key's count is used up; who seals many asks for another one then. */
  readonly isSpent: () => boolean
}

/** Opens at once, with one key. For one page of rows, not to be kept. */
export interface TenantOpener {
  /** Null: another key, another tenant, another place, or tampered with. */
  readonly open: (tenantId: string, place: SecretPlace, record: Uint8Array) => Uint8Array | null
}

export class TenantKeys extends Context.Service<
  TenantKeys,
  {
    /** `records`: so many are meant to be sealed, for which no count is waited for again where the key goes on so long. */
    readonly sealerFor: (tenantId: string, records?: number) => Effect.Effect<TenantSealer, TenantKeyUnavailable>
    readonly sealFor: (
      tenantId: string,
      place: SecretPlace,
      plaintext: Uint8Array
    ) => Effect.Effect<Sealed, TenantKeyUnavailable>
    readonly openerOf: (keyId: string) => Effect.Effect<TenantOpener, NotOpenable | TenantKeyUnavailable>
    /** The tenant's opened keys leave memory; what needs one later opens it anew, if it is there still. */
    readonly forget: (tenantId: string) => Effect.Effect<void>
    /** `NotOpenable`: another tenant, another place, tampered with, or a key that is not there any more. */
    readonly openFor: (
      tenantId: string,
      place: SecretPlace,
      record: Uint8Array
    ) => Effect.Effect<Uint8Array, NotOpenable | TenantKeyUnavailable>
  }
>()("cm/crypto/TenantKeys") {}
