/**
 * The keyring of a running replica.
 *
 * At start it compares the master key to the data (`KeyFileMismatch` ends the start), makes the
 * keys that are missing and opens those that are there. Afterwards it looks for keys that another
 * replica added: every `CM_KEYS_RELOAD`, and at once when a record names a key it does not know.
 * When that fails it goes on with the keys it has and says so in the log.
 *
 * A key that replaces another is read with from the moment it is seen, and written with once it is
 * older than `CM_KEYS_ACTIVATION` by the database's clock. A replica that has not read the keys for
 * that long, less a margin, is not current. So whatever is written is readable everywhere.
 *
 * Opened keys are in memory only, as key objects outside the garbage-collected heap; the bytes they
 * came from are overwritten. Using them is synchronous.
 */

import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"
import { Clock, Duration, Effect, Latch, Layer } from "effect"
import * as Loop from "../observability/Loop.ts"
import { type AgedKey, KeyRotationStore } from "../store/KeyRotationStore.ts"
import { type KeyPurpose, KeyStore, type StoredKey } from "../store/KeyStore.ts"
import { atStart } from "../store/StartWait.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import * as HashKeys from "./HashKeys.ts"
import { type HmacKey, hmac, hmacKey } from "./Hmac.ts"
import { KeyFileMismatch } from "./KeyFileMismatch.ts"
import { Keyring, NotOpenable } from "./Keyring.ts"
import { tagLength } from "./RowTags.ts"
import * as SealedRecord from "./SealedRecord.ts"
import * as ServiceKeys from "./ServiceKeys.ts"
import * as UsableKeys from "./UsableKeys.ts"

/** In the order in which they are made: where there is any, there is the first. */
const purposes = ["row-tag", "token-hash", "seal", "fingerprint"] as const satisfies ReadonlyArray<KeyPurpose>
const usedHere = (key: StoredKey): boolean =>
  key.tenantId === null && key.state !== "retired" && purposes.some((purpose) => purpose === key.purpose)

/** At least this long between two readings of the keys. */
const reloadPause = Duration.millis(50)

/** How far two clocks that should run alike may differ. */
const clockMargin = 0.9

interface Opened {
  /** When the reading of the keys began, on this machine's clocks, in milliseconds. */
  readonly readAtMonotonicMs: number
  readonly readAtWallMs: number
  readonly hashKeys: HashKeys.HashKeys
  /** The one to write with first, then the others, youngest first. */
  readonly hashIds: ReadonlyArray<string>
  readonly sealWith: SealedRecord.SealingKey
  readonly sealKeys: ReadonlyMap<string, SealedRecord.SealingKey>
  /** By id, the one to write with first. */
  readonly fingerprintKeys: ReadonlyMap<string, KeyObject>
  readonly rowTagId: string
  readonly rowTagWith: HmacKey
  readonly known: UsableKeys.Known
}

/** Room for what a row of a token says, so that it is hashed where it is written. */
const rowRoom = 1_024

/**
 * Which key of a purpose to write with: the active one, once every replica must have seen it; before
 * that, of those it replaces, the youngest that has had that time, else the oldest. Pure.
 */
export const writingKey = <A extends Pick<AgedKey, "state" | "ageMs">>(
  keys: ReadonlyArray<A>,
  activationMs: number
): A | undefined => {
  const active = keys.find(({ state }) => state === "active")
  const others = keys.filter((key) => key !== active).toSorted((a, b) => a.ageMs - b.ageMs)
  if (active !== undefined && (others.length === 0 || active.ageMs >= activationMs)) return active
  return others.find(({ ageMs }) => ageMs >= activationMs) ?? others.at(-1)
}

/** The keys of a purpose: the one to write with first, then the others, youngest first. */
const ofPurpose = (keys: ReadonlyArray<AgedKey>, purpose: KeyPurpose, activationMs: number): ReadonlyArray<AgedKey> => {
  const own = keys.filter((key) => key.purpose === purpose)
  const first = writingKey(own, activationMs)
  const others = own.filter((key) => key !== first).toSorted((a, b) => a.ageMs - b.ageMs)
  return first === undefined ? others : [first, ...others]
}

const idsOf = (keys: ReadonlyArray<AgedKey>): ReadonlyArray<string> => keys.map(({ keyId }) => keyId)
const sameSet = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && a.every((id) => b.includes(id))

/** Of bytes that are overwritten. */
const madeOf = <A>(material: Uint8Array, use: (material: Uint8Array) => A): A => {
  const made = use(material)
  material.fill(0)
  return made
}

const lengthPrefix = (bytes: number): Uint8Array => {
  const prefix = Buffer.allocUnsafe(4)
  prefix.writeUInt32BE(bytes)
  return prefix
}

const fingerprintWith = (key: KeyObject, parts: ReadonlyArray<string | Uint8Array>): string => {
  const hmac = createHmac("sha256", key)
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part, "utf8") : part
    hmac.update(lengthPrefix(bytes.byteLength)).update(bytes)
  }
  return hmac.digest("hex")
}

const monotonicMs = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** Opens what is new since `before`. */
const openAll = Effect.fnUntraced(function* (before: Opened | null) {
  const { keysActivation } = yield* CryptoConfig
  const clock = yield* Clock.Clock
  const [readAtMonotonicMs, readAtWallMs] = [monotonicMs(clock), clock.currentTimeMillisUnsafe()]
  const { keys: stored, known, materialOf } = yield* UsableKeys.read(usedHere, before?.known ?? null)
  const opened = <A>(key: AgedKey, use: (material: Uint8Array) => A) =>
    Effect.map(materialOf(key), (material) => madeOf(material, use))
  const activationMs = Duration.toMillis(keysActivation)
  const [[rowTag], hash, seal, fingerprints] = purposes.map((purpose) => ofPurpose(stored, purpose, activationMs)) as [
    ReadonlyArray<AgedKey>,
    ReadonlyArray<AgedKey>,
    ReadonlyArray<AgedKey>,
    ReadonlyArray<AgedKey>
  ]
  if (hash.length === 0 || seal.length === 0 || fingerprints.length === 0 || rowTag === undefined)
    throw new Error("a key of the service is gone")

  const hashKeys =
    before !== null && sameSet(before.hashIds, idsOf(hash))
      ? before.hashKeys
      : HashKeys.make(
          yield* Effect.forEach(hash, (key) =>
            Effect.map(materialOf(key), (material) => ({ keyId: key.keyId, material }))
          )
        )
  const sealing = yield* Effect.forEach(seal, (key) => {
    const known = before?.sealKeys.get(key.keyId)
    return known === undefined
      ? opened(key, (material) => SealedRecord.makeKey(key.keyId, material))
      : Effect.succeed(known)
  })
  const fingerprinting = yield* Effect.forEach(fingerprints, (key) => {
    const known = before?.fingerprintKeys.get(key.keyId)
    return Effect.map(
      known === undefined ? opened(key, (material) => createSecretKey(material)) : Effect.succeed(known),
      (opened) => [key.keyId, opened] as const
    )
  })
  const rowTagWith =
    before?.rowTagId === rowTag.keyId
      ? before.rowTagWith
      : yield* opened(rowTag, (material) => hmacKey(material, rowRoom))
  return {
    readAtMonotonicMs,
    readAtWallMs,
    known,
    hashKeys,
    hashIds: idsOf(hash),
    sealWith: sealing[0]!,
    sealKeys: new Map(sealing.map((key) => [key.keyId, key])),
    fingerprintKeys: new Map(fingerprinting),
    rowTagId: rowTag.keyId,
    rowTagWith
  } satisfies Opened
}, Effect.scoped)

/**
 * The key of rows' tags is made with the database. Where it is missing later no row can be believed: the
 * start says so, rather than every hand-out. `CM_ROWS_ADOPT` is for a database of before (`RowAdoption.ts`).
 */
const mayMakeRowTags = Effect.fnUntraced(function* (missing: ReadonlyArray<KeyPurpose>) {
  const { rowsAdopt } = yield* CryptoConfig
  // Where all of them are missing nothing was written yet.
  if (rowsAdopt || !missing.includes("row-tag") || missing.length === purposes.length) return
  return yield* new KeyFileMismatch({
    message:
      "the database has no key for the tags of its rows: if it was written before rows were tagged, start once with CM_ROWS_ADOPT=true; else restore the table data_keys"
  })
})

const start = Effect.gen(function* () {
  yield* ServiceKeys.checkMasterKey
  const keys = yield* (yield* KeyStore).keys
  const missing = purposes.filter(
    (purpose) => !keys.some((key) => key.tenantId === null && key.state === "active" && key.purpose === purpose)
  )
  yield* mayMakeRowTags(missing)
  yield* Effect.forEach(
    missing,
    (purpose) => Effect.map(ServiceKeys.ensure(purpose, null), ({ material }) => material.fill(0)),
    { discard: true }
  )
  return yield* openAll(null)
}).pipe(
  atStart("the service's keys"),
  Effect.catchTag("MasterKeyError", (error) => Effect.fail(ServiceKeys.orMismatch(error)))
)

export const make = Effect.gen(function* () {
  const { keysActivation, keysReload } = yield* CryptoConfig
  const rotation = yield* KeyRotationStore
  const clock = yield* Clock.Clock
  const currentForMs = Duration.toMillis(keysActivation) * clockMargin
  let now: Opened = yield* start
  const wanted = yield* Latch.make()

  /** Records sealed here that the store has been told of, by key. */
  const told = new Map<string, number>()
  const tellUsesOf = ({ keyId, uses }: SealedRecord.SealingKey) => {
    const since = uses - (told.get(keyId) ?? 0)
    if (since === 0) return Effect.void
    const isTold = Effect.sync(() => told.set(keyId, uses))
    return Effect.andThen(rotation.addUses(keyId, since), isTold)
  }
  /** What could not be told is told with the next. */
  const tellUses = Effect.suspend(() => Effect.forEach(now.sealKeys.values(), tellUsesOf, { discard: true })).pipe(
    Effect.catchTag("StoreUnavailable", () => Effect.void)
  )

  const reload = Effect.suspend(() => openAll(now)).pipe(
    Effect.andThen((opened) =>
      Effect.sync(() => {
        const before = now.hashKeys
        now = opened
        // Nothing holds it any more: using keys is synchronous.
        if (before !== opened.hashKeys) before.wipe()
      })
    ),
    Effect.catchTag(["MasterKeyError", "StoreUnavailable"], (error) =>
      Effect.logWarning("keys could not be read again; going on with those known").pipe(
        Effect.annotateLogs({ error: error._tag })
      )
    )
  )
  // Never two at once, and however many unknown keys are named, never without a pause between.
  yield* Effect.sleep(reloadPause).pipe(
    Effect.andThen(Effect.raceFirst(Effect.sleep(keysReload), wanted.await)),
    Effect.andThen(wanted.close),
    Effect.andThen(reload),
    (turn) => Loop.forever("keys", turn),
    Effect.forkScoped
  )
  // On its own: a database that writes slowly, or not at all, must not keep the keys from being read.
  yield* Effect.sleep(keysReload).pipe(
    Effect.andThen(tellUses),
    (turn) => Loop.forever("key uses", turn),
    Effect.forkScoped
  )

  const messageOf = (appName: string, value: string) => `${appName}\0${value}`
  return Keyring.of({
    hashToken: (appName, value) => {
      const keyId = now.hashIds[0]!
      return { keyId, hash: now.hashKeys.hash(keyId, messageOf(appName, value)) }
    },
    hashTokenAll: (appName, value) => now.hashKeys.hashAll(now.hashIds, messageOf(appName, value)),
    hashKeyIds: () => now.hashIds,
    isCurrent: () =>
      monotonicMs(clock) - now.readAtMonotonicMs < currentForMs &&
      clock.currentTimeMillisUnsafe() - now.readAtWallMs < currentForMs,
    fingerprint: (...parts) => fingerprintWith(now.fingerprintKeys.values().next().value!, parts),
    fingerprintAll: (...parts) => Array.from(now.fingerprintKeys.values(), (key) => fingerprintWith(key, parts)),
    rowTag: (text) => hmac(now.rowTagWith, text).subarray(0, tagLength),
    rowHolds: (tag, text) =>
      tag !== undefined &&
      text !== null &&
      tag.byteLength === tagLength &&
      timingSafeEqual(tag, hmac(now.rowTagWith, text).subarray(0, tagLength)),
    seal: (aad, plaintext) => SealedRecord.seal(now.sealWith, aad, plaintext),
    open: (aad, record) =>
      Effect.suspend(() => {
        const keyId = SealedRecord.keyIdOf(record)
        const key = keyId === null ? undefined : now.sealKeys.get(keyId)
        if (keyId !== null && key === undefined) Latch.openUnsafe(wanted)
        const plaintext = key === undefined ? null : SealedRecord.open(key, aad, record)
        return plaintext === null ? Effect.fail(new NotOpenable()) : Effect.succeed(plaintext)
      })
  })
})

/** Needs `KeyStore`, `KeyRotationStore`, a master key and `CryptoConfig`. */
export const layer = Layer.effect(Keyring, make)
