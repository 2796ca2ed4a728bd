/**
 * Master keys from a key file (`KeyFile.ts`).
 *
 * Read at start, and again when a key is asked for that was not in it then: so a file with one more
 * key can be put in place everywhere before the replicas are restarted one by one. Which key is
 * active is decided at start. A missing file is made only when `CM_KEY_FILE_CREATE` says so and the
 * database holds nothing that another key file was needed for; a database with data and no file
 * stops the start and leaves no new file behind.
 */
import { createHmac } from "node:crypto"
import { Clock, DateTime, Effect, Layer } from "effect"
import { KeyStore } from "../store/KeyStore.ts"
import { atStart } from "../store/StartWait.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import * as KeyFile from "./KeyFile.ts"
import { KeyFileMismatch } from "./KeyFileMismatch.ts"
import { MasterKey, MasterKeyError, wrapBytesMax } from "./MasterKey.ts"
import * as SealedRecord from "./SealedRecord.ts"

/** One way: tells two keys apart, and nothing of either. */
const fingerprintOf = (material: Uint8Array): string =>
  createHmac("sha256", material).update("cm-master-key-fingerprint-1").digest("hex")

const placeOf = (place: string): string => `cm-wrapped-key-1/${place}`

/** `keys` as `KeyFile.read` gives them: at least one, the active one first. `reread` reads them again. */
export const make = (
  keys: ReadonlyArray<KeyFile.FileKey>,
  reread: Effect.Effect<ReadonlyArray<KeyFile.FileKey>, KeyFile.KeyFileUnusable> = Effect.succeed([])
): MasterKey["Service"] => {
  const fingerprints = keys.map(({ id, material }) => ({ masterKeyId: id, fingerprint: fingerprintOf(material) }))
  const byId = new Map<string, SealedRecord.SealingKey>()
  const add = (more: ReadonlyArray<KeyFile.FileKey>): void => {
    for (const { id, material } of more) if (!byId.has(id)) byId.set(id, SealedRecord.makeKey(id, material))
  }
  add(keys)
  const active = byId.get(keys[0]!.id)!

  const find = (masterKeyId: string): Effect.Effect<SealedRecord.SealingKey | undefined> => {
    const known = byId.get(masterKeyId)
    if (known !== undefined) return Effect.succeed(known)
    return reread.pipe(
      Effect.catch((error) => Effect.as(Effect.logWarning(error.message), [])),
      Effect.map((more) => {
        add(more)
        return byId.get(masterKeyId)
      })
    )
  }

  return MasterKey.of({
    activeId: active.keyId,
    fingerprints,
    wrap: (place, key) =>
      Effect.sync(() => {
        if (key.byteLength > wrapBytesMax) throw new Error("the key is too long to wrap")
        return { masterKeyId: active.keyId, wrapped: SealedRecord.seal(active, placeOf(place), key) }
      }),
    unwrap: Effect.fnUntraced(function* (place, { masterKeyId, wrapped }) {
      const failed = (reason: "UnknownKey" | "NotOpenable", detail: string) =>
        new MasterKeyError({ reason, operation: "unwrap", masterKeyId, detail })
      const key = yield* find(masterKeyId)
      if (key === undefined) return yield* failed("UnknownKey", "the key file does not hold it")
      const opened = SealedRecord.open(key, placeOf(place), wrapped)
      return opened ?? (yield* failed("NotOpenable", "not what it wrapped for this place"))
    })
  })
}

const asked = atStart("data that needs a key file")

const createIfAllowed = Effect.fnUntraced(function* (file: string) {
  const store = yield* KeyStore
  const known = yield* store.masterKeyFingerprints.pipe(asked)
  if (known.length > 0 || (yield* store.hasData.pipe(asked))) {
    return yield* new KeyFileMismatch({
      message: `the database was written with a key file, and there is none at ${file}: restore it and let CM_KEY_FILE name it`
    })
  }
  const nowMs = yield* Clock.currentTimeMillis
  yield* KeyFile.create(file, KeyFile.newText(nowMs, DateTime.formatIso(DateTime.makeUnsafe(nowMs))))
})

export const layer = Layer.effect(
  MasterKey,
  Effect.gen(function* () {
    const { keyFile, keyFileCreate } = yield* CryptoConfig
    const keys = yield* KeyFile.read(keyFile).pipe(
      Effect.catchIf(
        (error) => error.problem === "absent" && keyFileCreate,
        () => Effect.andThen(createIfAllowed(keyFile), KeyFile.read(keyFile))
      )
    )
    return make(keys, KeyFile.read(keyFile))
  })
)
