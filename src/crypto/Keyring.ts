/**
 * The keys in use, ready to use.
 *
 * Loaded from the key store at start, unwrapped by the master key, and kept in memory only. Every
 * sealed record names the key it was made with, so several keys can be alive at once. "Active" is
 * the key to write with: a new key becomes it on every replica only after all had time to learn it.
 *
 * All operations are synchronous. `open` fails with `NotOpenable` for a record that was made for
 * another place (`aad`), was tampered with, or needs a key that is not here; it does not say which.
 */
import { Context, type Effect, Schema } from "effect"
import type { RowText } from "./RowTags.ts"

export class NotOpenable extends Schema.TaggedError<NotOpenable>()("NotOpenable", {}) {}

export interface TokenHashed {
  readonly keyId: string
  /** HMAC-SHA-256 over `appName`, a zero byte and the value; 32 bytes. */
  readonly hash: Uint8Array
}

export class Keyring extends Context.Service<
  Keyring,
  {
    /** Under the active key. */
    readonly hashToken: (appName: string, value: string) => TokenHashed
    /** Under every key that a row may still have been written with, the active one first. */
    readonly hashTokenAll: (appName: string, value: string) => ReadonlyArray<TokenHashed>
    /** The keys of `hashTokenAll`, in its order. */
    readonly hashKeyIds: () => ReadonlyArray<string>
    /**
     * Whether the keys were read so lately that no row can have been written with one unknown here.
     * While they were not, "no such hash" proves nothing: it must not be answered as unknown.
     */
    readonly isCurrent: () => boolean
    /** Keyed fingerprint for comparing without keeping: lower-case hex, 32 bytes. Under the active key. */
    readonly fingerprint: (...parts: ReadonlyArray<string | Uint8Array>) => string
    /** Under every key that what is compared to may have been made with, the active one first. */
    readonly fingerprintAll: (...parts: ReadonlyArray<string | Uint8Array>) => ReadonlyArray<string>
    /** The tag of what a row says (`RowTags.ts`), 16 bytes. */
    readonly rowTag: (text: RowText) => Uint8Array
    /** Whether it is the tag of that text; never without one. */
    readonly rowHolds: (tag: Uint8Array | undefined, text: RowText | null) => boolean
    /** Sealed record: format, key id, nonce, ciphertext and tag. `aad` names the place it belongs to. */
    readonly seal: (aad: string, plaintext: Uint8Array) => Uint8Array
    readonly open: (aad: string, record: Uint8Array) => Effect.Effect<Uint8Array, NotOpenable>
  }
>()("cm/crypto/Keyring") {}
