/**
 * Keys of the whole service, from the key store to usable bytes.
 *
 * `ensure` gives the active key of a purpose and makes it when there is none; replicas that start
 * at once agree on one. `checkMasterKey` compares what the data was written with to what is at
 * hand, before anything is written.
 */
import { Clock, Effect } from "effect"
import { KeyRotationStore } from "../store/KeyRotationStore.ts"
import { type KeyPurpose, KeyStore, type StoredKey } from "../store/KeyStore.ts"
import { freshBytes } from "./FreshRandom.ts"
import { KeyFileMismatch } from "./KeyFileMismatch.ts"
import * as KeyId from "./KeyId.ts"
import { MasterKey, type MasterKeyError } from "./MasterKey.ts"
import { keyLength } from "./SealedRecord.ts"

export interface OpenedKey {
  readonly stored: StoredKey
  readonly material: Uint8Array
}

/** What a wrapped key is bound to: moved to another id, purpose or tenant it does not open. */
export const placeOf = (key: Pick<StoredKey, "keyId" | "purpose" | "tenantId">): string =>
  `${key.purpose}/${key.tenantId ?? ""}/${key.keyId}`

/** A stored key, opened. */
export const open = Effect.fnUntraced(function* (stored: StoredKey) {
  const master = yield* MasterKey
  const material = yield* master.unwrap(placeOf(stored), stored)
  return { stored, material } satisfies OpenedKey
})

const isNotOurs = (reason: MasterKeyError["reason"]): boolean => reason === "NotOpenable" || reason === "UnknownKey"

const isNobodys = Effect.fnUntraced(function* (
  { keyId, masterKeyId, state }: StoredKey,
  reason: MasterKeyError["reason"]
) {
  if (state === "active" || !isNotOurs(reason)) return false
  const noted = yield* (yield* KeyStore).masterKeyFingerprints
  if (reason === "UnknownKey" && noted.some((one) => one.masterKeyId === masterKeyId)) return false
  return (yield* (yield* KeyRotationStore).countRows(keyId, 1)) === 0
})

/**
 * The bytes of a stored key, or null where it is nobody's: it does not open, is not written with, and no row needs it. Whoever
 * writes to the database can make such a row, and all replicas read it; without it nothing is missing. One that is active,
 * or that a row needs, is not done without: what it is for would be answered as if it was not there. Nor is one under a master
 * key that was noted and is only not at hand here: replicas that have it may write with it at any moment.
 */
export const openUnlessNobodys = (stored: StoredKey) =>
  Effect.map(open(stored), ({ material }): Uint8Array | null => material).pipe(
    Effect.catchTag("MasterKeyError", (error) =>
      Effect.flatMap(isNobodys(stored, error.reason), (is) => (is ? Effect.succeed(null) : Effect.fail(error)))
    )
  )

/** A new key of fresh random bytes, or of `material`, wrapped by the active master key; stored nowhere yet. */
export const makeCandidate = Effect.fnUntraced(function* (
  purpose: KeyPurpose,
  tenantId: string | null,
  material: Uint8Array = freshBytes(keyLength)
) {
  const master = yield* MasterKey
  const createdAt = yield* Clock.currentTimeMillis
  const identity = { keyId: KeyId.makeKeyId(createdAt), purpose, tenantId }
  const { masterKeyId, wrapped } = yield* master.wrap(placeOf(identity), material)
  const stored: StoredKey = { ...identity, state: "active", masterKeyId, wrapped, createdAt }
  return { stored, material } satisfies OpenedKey
})

/** The active key of a purpose; made when there is none. `tenantId` is null for a key of the whole service. */
export const ensure = Effect.fnUntraced(function* (purpose: KeyPurpose, tenantId: string | null) {
  const store = yield* KeyStore
  const present = (yield* store.keys).find(
    (key) => key.purpose === purpose && key.tenantId === tenantId && key.state === "active"
  )
  if (present !== undefined) return yield* open(present)
  const candidate = yield* makeCandidate(purpose, tenantId)
  const active = yield* store.ensureActive(candidate.stored)
  return active.keyId === candidate.stored.keyId ? candidate : yield* open(active)
})

const listed = (ids: ReadonlyArray<string>): string => ids.join(", ")

/** What is wrong, or null. Pure. */
export const mismatchOf = (options: {
  readonly held: MasterKey["Service"]["fingerprints"]
  readonly known: MasterKey["Service"]["fingerprints"]
  readonly needed: ReadonlySet<string>
  readonly hasData: boolean
}): string | null => {
  const { hasData, held, known, needed } = options
  const heldIds = held.map(({ masterKeyId }) => masterKeyId)
  for (const { fingerprint, masterKeyId } of known) {
    const same = held.find((key) => key.masterKeyId === masterKeyId)
    if (same !== undefined && same.fingerprint !== fingerprint) {
      return `master key ${masterKeyId} is not the one of that name that the database was written with: restore the right key file`
    }
  }
  const missing = Array.from(needed).filter((id) => !heldIds.includes(id))
  const foreign = known.length > 0 && !known.some(({ masterKeyId }) => heldIds.includes(masterKeyId))
  if (missing.length > 0 || foreign) {
    const wanted = missing.length > 0 ? missing : known.map(({ masterKeyId }) => masterKeyId)
    return `the database was written with another key file: it needs master key ${listed(wanted)}, here is ${listed(heldIds)}: let CM_KEY_FILE name the right one`
  }
  return hasData && known.length === 0
    ? "the database holds data, but not which master key it was written with: restore both from one backup"
    : null
}

/**
 * The master keys that have to be at hand. One that was never noted wrapped nothing, since a replica notes its own first: who
 * names it is a row that somebody else wrote, of a tenant that may not even be there. Not so for the keys of the service
 * that are written with.
 */
export const neededOf = (
  keys: ReadonlyArray<Pick<StoredKey, "state" | "masterKeyId" | "tenantId">>,
  known: MasterKey["Service"]["fingerprints"]
): ReadonlySet<string> => {
  const noted = new Set(known.map(({ masterKeyId }) => masterKeyId))
  const used = keys.filter(
    ({ masterKeyId, state, tenantId }) =>
      state !== "retired" && (noted.has(masterKeyId) || (state === "active" && tenantId === null))
  )
  return new Set(used.map(({ masterKeyId }) => masterKeyId))
}

/** Refuses a master key that the data was not written with; else remembers those at hand. */
export const checkMasterKey = Effect.gen(function* () {
  const store = yield* KeyStore
  const master = yield* MasterKey
  // Data before fingerprints: another replica that starts on an empty database writes them the other way round.
  const hasData = yield* store.hasData
  const keys = yield* store.keys
  const known = yield* store.masterKeyFingerprints
  const needed = neededOf(keys, known)
  const message = mismatchOf({ held: master.fingerprints, known, needed, hasData })
  if (message !== null) return yield* new KeyFileMismatch({ message })
  yield* Effect.forEach(
    master.fingerprints,
    (held) =>
      known.some(({ masterKeyId }) => masterKeyId === held.masterKeyId)
        ? Effect.void
        : store.addMasterKeyFingerprint(held.masterKeyId, held.fingerprint),
    { discard: true }
  )
})

/** At start, a key that does not open is a wrong master key and not a passing fault. */
export const orMismatch = (error: MasterKeyError): KeyFileMismatch | MasterKeyError =>
  isNotOurs(error.reason)
    ? new KeyFileMismatch({
        message: `the database was written with another key file: master key ${error.masterKeyId} does not open its keys (${error.detail})`
      })
    : error
