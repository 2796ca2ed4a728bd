/**
 * Tenants' data keys of a running replica.
 *
 * Two bounded caches: opened keys by id, and each tenant's active key for some seconds, after which
 * it is looked whether there is a newer one, and at its age. Whoever asks while a key is being fetched
 * waits for that one fetch. Failures are not kept.
 *
 * A key that was retired or destroyed leaves memory within `dropEvery`; a removed tenant's at once (`forget`).
 *
 * Uses are counted in the database in blocks, taken before they are used: a replica that dies wastes
 * the rest of its block. What is sealed by those who asked in one moment may be more than was left, and is taken with the
 * next block; by no more than that the count is ever below the truth.
 */
import { Cache, Duration, Effect, Exit, Layer } from "effect"
import * as Loop from "../observability/Loop.ts"
import { type AgedKey, KeyRotationStore } from "../store/KeyRotationStore.ts"
import { KeyStore, type StoredKey } from "../store/KeyStore.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import { NotOpenable } from "./Keyring.ts"
import { MasterKey, type MasterKeyError } from "./MasterKey.ts"
import * as SealedRecord from "./SealedRecord.ts"
import * as ServiceKeys from "./ServiceKeys.ts"
import { type SecretPlace, TenantKeys, TenantKeyUnavailable, type TenantSealer } from "./TenantKeys.ts"

/** How long a replica goes on with a tenant's active key before it looks whether there is a newer one. */
export const activeFor = Duration.seconds(10)
/** How often it is looked whether opened keys were retired: so long one may be in memory after that. */
export const dropEvery = Duration.seconds(5)
/** Uses are taken from the key's count in blocks of this many. */
export const usesBlock = 256

interface WarmKey {
  readonly tenantId: string | null
  readonly key: SealedRecord.SealingKey
  /** Of the blocks taken from the key's count. */
  usesLeft: number
}

/** The text that a secret's record is bound to. An array's JSON has one reading only. */
export const aadOf = (tenantId: string, place: SecretPlace): string =>
  JSON.stringify(["cm-secret-1", tenantId, place.credentialId, place.version, place.purpose])

const unavailable = (error: StoreUnavailable | MasterKeyError): TenantKeyUnavailable =>
  error._tag === "StoreUnavailable"
    ? new TenantKeyUnavailable({ detail: `the database (${error.operation})`, isRetryable: true })
    : new TenantKeyUnavailable({ detail: error.message, isRetryable: error.isRetryable })

/** Successes are kept for `time`, failures not at all. */
const keep =
  (time: Duration.Duration) =>
  (exit: Exit.Exit<unknown, unknown>): Duration.Duration =>
    Exit.isSuccess(exit) ? time : Duration.zero

export const make = Effect.gen(function* () {
  const config = yield* CryptoConfig
  const rotation = yield* KeyRotationStore
  const master = yield* MasterKey
  const context = yield* Effect.context<KeyStore | MasterKey>()

  const warm = (stored: StoredKey) =>
    master.unwrap(ServiceKeys.placeOf(stored), stored).pipe(
      Effect.map((material): WarmKey => {
        const key = SealedRecord.makeKey(stored.keyId, material)
        material.fill(0)
        return { tenantId: stored.tenantId, key, usesLeft: 0 }
      })
    )

  const open = Effect.fnUntraced(function* (keyId: string) {
    const stored = yield* rotation.findKey(keyId)
    if (stored === undefined || stored.purpose !== "tenant-data" || stored.wrapped.byteLength === 0) {
      return yield* new NotOpenable()
    }
    return yield* warm(stored)
  })
  const opened = yield* Cache.makeWith(open, {
    capacity: config.tenantKeysWarm,
    timeToLive: keep(Duration.infinity)
  })

  /** Makes a key, or finds the one that another replica made in the same moment. */
  const ensure = (tenantId: string) =>
    ServiceKeys.makeCandidate("tenant-data", tenantId).pipe(
      Effect.tap(({ material }) => Effect.sync(() => material.fill(0))),
      Effect.flatMap(({ stored }) => KeyStore.use((store) => store.ensureActive(stored))),
      Effect.provide(context)
    )

  /** Takes so many of the key's count, or a block. False when it has been used so often that another one must follow. */
  const takeUses = Effect.fnUntraced(function* (held: WarmKey, records = usesBlock) {
    const taken = Math.max(usesBlock, records)
    const uses = yield* rotation.addUses(held.key.keyId, taken)
    if (uses > config.tenantKeyUsesMax) return false
    held.usesLeft += taken
    return true
  })

  /** False when the key has been used so often, or is so old, that another one must follow. */
  const mayGoOn = Effect.fnUntraced(function* (present: AgedKey, held: WarmKey) {
    if (present.ageMs >= Duration.toMillis(config.tenantKeyAgeMax)) return false
    return held.usesLeft > 1 || (yield* takeUses(held))
  })

  const findActive = Effect.fnUntraced(function* (tenantId: string) {
    const present = yield* rotation.activeKey("tenant-data", tenantId)
    if (present !== undefined) {
      const held = yield* Cache.get(opened, present.keyId)
      if (yield* mayGoOn(present, held)) return held
      yield* rotation.demote(present.keyId)
    }
    const next = yield* ensure(tenantId)
    yield* rotation.addUses(next.keyId, usesBlock)
    const held = yield* Cache.get(opened, next.keyId)
    held.usesLeft += usesBlock
    return held
  })
  const active = yield* Cache.makeWith(findActive, {
    capacity: config.tenantKeysWarm,
    timeToLive: keep(activeFor)
  })

  /** Where a key is at its end, with what is left of it; where nothing is, the next one. */
  const activeWithUses = Effect.fnUntraced(function* (tenantId: string, records: number) {
    for (;;) {
      const held = yield* Cache.get(active, tenantId)
      if (records > Math.max(1, held.usesLeft)) yield* takeUses(held, records)
      if (held.usesLeft < 2) yield* Cache.invalidate(active, tenantId)
      if (held.usesLeft > 0) return held
    }
  })

  const sealerFor = (tenantId: string, records = 1): Effect.Effect<TenantSealer, TenantKeyUnavailable> =>
    activeWithUses(tenantId, records).pipe(
      Effect.map((held) => ({
        keyId: held.key.keyId,
        isSpent: () => held.usesLeft < 1,
        seal: (place: SecretPlace, plaintext: Uint8Array) => {
          held.usesLeft -= 1
          return { keyId: held.key.keyId, sealed: SealedRecord.seal(held.key, aadOf(tenantId, place), plaintext) }
        }
      })),
      Effect.catchTag(["StoreUnavailable", "MasterKeyError"], (error) => Effect.fail(unavailable(error))),
      // An active key that was just found or made is there.
      Effect.catchTag("NotOpenable", (error) => Effect.die(error))
    )

  const openWith = (warmKey: WarmKey, tenantId: string, place: SecretPlace, record: Uint8Array) =>
    warmKey.tenantId === tenantId ? SealedRecord.open(warmKey.key, aadOf(tenantId, place), record) : null

  const openedKey = (keyId: string) =>
    Cache.get(opened, keyId).pipe(
      Effect.catchTag(["StoreUnavailable", "MasterKeyError"], (error) => Effect.fail(unavailable(error)))
    )

  const forgetKeys = (is: (keyId: string, warm: WarmKey) => boolean) =>
    Effect.gen(function* () {
      for (const [keyId, held] of yield* Cache.entries(opened))
        if (is(keyId, held)) yield* Cache.invalidate(opened, keyId)
      for (const [tenantId, held] of yield* Cache.entries(active))
        if (is(held.key.keyId, held)) yield* Cache.invalidate(active, tenantId)
    })

  /** Keys that were retired or destroyed meanwhile, wherever that was. */
  const dropUnusable = Effect.gen(function* () {
    const held = Array.from(yield* Cache.keys(opened))
    if (held.length === 0) return
    const usable = yield* rotation.usableAmong(held)
    const gone = new Set(held.filter((keyId) => !usable.has(keyId)))
    if (gone.size > 0) yield* forgetKeys((keyId) => gone.has(keyId))
  }).pipe(Effect.catchTag("StoreUnavailable", () => Effect.void))
  yield* Effect.forkScoped(
    Loop.forever(
      "tenant keys",
      Effect.andThen(
        Effect.sleep(dropEvery),
        Effect.suspend(() => dropUnusable)
      )
    )
  )

  return TenantKeys.of({
    sealerFor,
    forget: (tenantId) => forgetKeys((_, held) => held.tenantId === tenantId),
    sealFor: (tenantId, place, plaintext) => Effect.map(sealerFor(tenantId), (sealer) => sealer.seal(place, plaintext)),
    openFor: (tenantId, place, record) => {
      const keyId = SealedRecord.keyIdOf(record)
      return keyId === null
        ? Effect.fail(new NotOpenable())
        : Effect.flatMap(openedKey(keyId), (warmKey) => {
            const plaintext = openWith(warmKey, tenantId, place, record)
            return plaintext === null ? Effect.fail(new NotOpenable()) : Effect.succeed(plaintext)
          })
    },
    openerOf: (keyId) =>
      Effect.map(openedKey(keyId), (warmKey) => ({
        open: (tenantId, place, record) => openWith(warmKey, tenantId, place, record)
      }))
  })
})

/** Needs `KeyStore`, `KeyRotationStore`, a master key and `CryptoConfig`. */
export const layer = Layer.effect(TenantKeys, make)
