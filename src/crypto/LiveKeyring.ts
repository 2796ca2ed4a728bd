/**
 * The keyring of a running replica.
 *
 * At start it compares the master key to the data (`KeyFileMismatch` ends the start), makes the
 * keys that are missing and opens those that are there. Afterwards it looks for keys that another
 * replica added: every `CM_KEYS_RELOAD`, and at once when a record names a key it does not know.
 * When that fails it goes on with the keys it has and says so in the log.
 *
 * Opened keys are in memory only, as key objects outside the garbage-collected heap; the bytes they
 * came from are overwritten. Using them is synchronous.
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto"
import { Duration, Effect, Latch, Layer } from "effect"
import { type KeyPurpose, KeyStore, type StoredKey } from "../store/KeyStore.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import * as HashKeys from "./HashKeys.ts"
import { Keyring, NotOpenable } from "./Keyring.ts"
import * as SealedRecord from "./SealedRecord.ts"
import * as ServiceKeys from "./ServiceKeys.ts"

const purposes = ["token-hash", "seal", "fingerprint"] as const satisfies ReadonlyArray<KeyPurpose>
const usedHere = (key: StoredKey): boolean =>
  key.tenantId === null && key.state !== "retired" && purposes.some((purpose) => purpose === key.purpose)

/** At least this long between two readings of the keys. */
const reloadPause = Duration.millis(50)

interface Opened {
  /** Ids of the keys that this was made of. */
  readonly keyIds: ReadonlySet<string>
  readonly hashKeys: HashKeys.HashKeys
  readonly hashKeyId: string
  readonly sealWith: SealedRecord.SealingKey
  readonly sealKeys: ReadonlyMap<string, SealedRecord.SealingKey>
  readonly fingerprintWith: KeyObject
}

/** The active key of a purpose first, then the others, newest first. */
const ofPurpose = (keys: ReadonlyArray<ServiceKeys.OpenedKey>, purpose: KeyPurpose) =>
  keys
    .filter(({ stored }) => stored.purpose === purpose)
    .toSorted((a, b) => {
      if (a.stored.state !== b.stored.state) return a.stored.state === "active" ? -1 : 1
      return b.stored.createdAt - a.stored.createdAt
    })

/** `before`: sealing keys already in use keep their count of uses. Overwrites the material. */
const assemble = (keys: ReadonlyArray<ServiceKeys.OpenedKey>, before: Opened | null): Opened => {
  const hash = ofPurpose(keys, "token-hash").map(({ material, stored }) => ({ keyId: stored.keyId, material }))
  const sealing = ofPurpose(keys, "seal").map(
    ({ material, stored }) => before?.sealKeys.get(stored.keyId) ?? SealedRecord.makeKey(stored.keyId, material)
  )
  const opened: Opened = {
    keyIds: new Set(keys.map(({ stored }) => stored.keyId)),
    hashKeys: HashKeys.make(hash),
    hashKeyId: hash[0]!.keyId,
    sealWith: sealing[0]!,
    sealKeys: new Map(sealing.map((key) => [key.keyId, key])),
    fingerprintWith: createSecretKey(ofPurpose(keys, "fingerprint")[0]!.material)
  }
  for (const { material } of keys) material.fill(0)
  return opened
}

const lengthPrefix = (bytes: number): Uint8Array => {
  const prefix = Buffer.allocUnsafe(4)
  prefix.writeUInt32BE(bytes)
  return prefix
}

const openAll = Effect.fnUntraced(function* (before: Opened | null) {
  const store = yield* KeyStore
  const stored = (yield* store.keys).filter(usedHere)
  const keys = yield* Effect.forEach(stored, ServiceKeys.open)
  return assemble(keys, before)
})

const start = Effect.gen(function* () {
  yield* ServiceKeys.checkMasterKey
  const active = (yield* (yield* KeyStore).keys).filter(
    ({ state, tenantId }) => tenantId === null && state === "active"
  )
  const missing = purposes.filter((purpose) => !active.some((key) => key.purpose === purpose))
  yield* Effect.forEach(missing, (purpose) => ServiceKeys.ensure(purpose, null), { discard: true })
  return yield* openAll(null)
}).pipe(Effect.catchTag("MasterKeyError", (error) => Effect.fail(ServiceKeys.orMismatch(error))))

export const make = Effect.gen(function* () {
  const { keysReload } = yield* CryptoConfig
  let now = yield* start
  const wanted = yield* Latch.make()

  const reload = Effect.suspend(() => openAll(now)).pipe(
    Effect.andThen((opened) =>
      Effect.sync(() => {
        now = opened
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
    Effect.forever,
    Effect.forkScoped
  )

  const messageOf = (appName: string, value: string) => `${appName}\0${value}`
  return Keyring.of({
    hashToken: (appName, value) => ({ keyId: now.hashKeyId, hash: now.hashKeys.hash(messageOf(appName, value)) }),
    hashTokenAll: (appName, value) => now.hashKeys.hashAll(messageOf(appName, value)),
    fingerprint: (...parts) => {
      const hmac = createHmac("sha256", now.fingerprintWith)
      for (const part of parts) {
        const bytes = typeof part === "string" ? Buffer.from(part, "utf8") : part
        hmac.update(lengthPrefix(bytes.byteLength)).update(bytes)
      }
      return hmac.digest("hex")
    },
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

/** Needs the key store and a master key. */
export const layer = Layer.effect(Keyring, make)
