import { createHmac, randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import * as KeyFile from "../../../src/crypto/KeyFile.ts"
import { Keyring } from "../../../src/crypto/Keyring.ts"
import * as LiveKeyring from "../../../src/crypto/LiveKeyring.ts"
import * as LocalMasterKey from "../../../src/crypto/LocalMasterKey.ts"
import { MasterKey, MasterKeyError } from "../../../src/crypto/MasterKey.ts"
import * as SealedRecord from "../../../src/crypto/SealedRecord.ts"
import * as ServiceKeys from "../../../src/crypto/ServiceKeys.ts"
import { KeyStore, type StoredKey } from "../../../src/store/KeyStore.ts"
import * as tinyKeyStore from "./tinyKeyStore.ts"

const fileKeys = (...days: ReadonlyArray<number>) =>
  days.flatMap((day) => KeyFile.parse(KeyFile.newText(1_764_000_000_000, `2026-01-0${day}T00:00:00.000Z`))!)

const config = CryptoConfig.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({}))))
const masterOf = (keys: ReadonlyArray<KeyFile.FileKey>) => Layer.succeed(MasterKey, LocalMasterKey.make(keys))
const replica = (master: Layer.Layer<MasterKey>, keys: ReturnType<typeof tinyKeyStore.make>) =>
  Layer.build(
    Layer.fresh(LiveKeyring.layer).pipe(Layer.provide([config, master, Layer.succeed(KeyStore, keys.store)]))
  ).pipe(
    Effect.map((context) => Keyring.use((keyring) => Effect.succeed(keyring)).pipe(Effect.provide(context))),
    Effect.flatten
  )

/** Adds a key as another replica would: `keys.rotate` makes the old active one `retiring`. */
const rotate = (
  keys: ReturnType<typeof tinyKeyStore.make>,
  master: Layer.Layer<MasterKey>,
  purpose: StoredKey["purpose"],
  material?: Uint8Array
) =>
  ServiceKeys.makeCandidate(purpose, null, material).pipe(
    Effect.map(({ stored }) => {
      for (const [at, key] of keys.keys.entries()) {
        if (key.purpose === purpose && key.state === "active") keys.keys[at] = { ...key, state: "retiring" }
      }
      keys.keys.push(stored)
      return stored
    }),
    Effect.provide(master)
  )

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("LiveKeyring", () => {
  it.effect("replicas that share a database and a key file agree on every key", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const master = masterOf(fileKeys(1))
      const [one, two] = yield* Effect.all([replica(master, keys), replica(master, keys)], { concurrency: 2 })
      assert.deepStrictEqual(two.hashToken("app", "token"), one.hashToken("app", "token"))
      assert.strictEqual(two.fingerprint("a", "b"), one.fingerprint("a", "b"))
      assert.strictEqual(Buffer.from(yield* two.open("place", one.seal("place", Buffer.from("x")))).toString(), "x")
      assert.strictEqual(keys.keys.length, 3)
      assert.strictEqual(keys.fingerprints.length, 1)
    })
  )

  it.effect("a token's hash is HMAC-SHA-256 over application name, a zero byte and value", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, keys)
      const stored = keys.keys.find(({ purpose }) => purpose === "token-hash")!
      const { material } = yield* ServiceKeys.open(stored).pipe(Effect.provide(master))
      for (const [app, value] of [
        ["app", "token"],
        ["app", "tökén–🔑"],
        ["a_b-1", "x"]
      ] as const) {
        const expected = createHmac("sha256", material).update(app).update(Buffer.alloc(1)).update(value).digest("hex")
        const { hash, keyId } = keyring.hashToken(app, value)
        assert.strictEqual(hex(hash), expected)
        assert.strictEqual(keyId, stored.keyId)
        assert.deepStrictEqual(
          keyring.hashTokenAll(app, value).map((found) => hex(found.hash)),
          [expected]
        )
      }
    })
  )

  it.effect("a fingerprint tells apart what only joined looks alike", () =>
    Effect.gen(function* () {
      const keyring = yield* replica(masterOf(fileKeys(1)), tinyKeyStore.make())
      const all = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"], []].map((parts) =>
        keyring.fingerprint(...parts)
      )
      assert.strictEqual(new Set(all).size, all.length)
      assert.match(all[0]!, /^[0-9a-f]{64}$/)
      assert.strictEqual(keyring.fingerprint("ab", Buffer.from("c")), all[0])
    })
  )

  it.effect("another key file than the data was written with stops the start, and changes nothing", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      yield* replica(masterOf(fileKeys(1)), keys)
      const before = JSON.stringify([keys.keys, keys.fingerprints])
      const error = yield* replica(masterOf(fileKeys(1)), keys).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
      assert.match(error.message, /^the database was written with another key file[^\n]*$/)
      assert.strictEqual(JSON.stringify([keys.keys, keys.fingerprints]), before)
    })
  )

  it.effect("a key file that reuses an id for another key stops the start", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const [mine] = fileKeys(1)
      yield* replica(masterOf([mine!]), keys)
      const error = yield* replica(masterOf([{ ...mine!, material: randomBytes(32) }]), keys).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
    })
  )

  it.effect("a key file that lost a master key which stored keys need stops the start", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const [first, second] = fileKeys(1, 2)
      yield* replica(masterOf([first!]), keys)
      yield* replica(masterOf([second!, first!]), keys)
      const error = yield* replica(masterOf([second!]), keys).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
      assert.include(error.message, first!.id)
    })
  )

  it.effect("of two key files that meet on an empty database, one wins and the other never starts", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const [mine, other] = [masterOf(fileKeys(1)), masterOf(fileKeys(1))]
      // The other one has passed the check and has not made its keys yet.
      yield* ServiceKeys.checkMasterKey.pipe(Effect.provide(other), Effect.provideService(KeyStore, keys.store))
      const stored = yield* ServiceKeys.ensure("seal", null).pipe(
        Effect.provide(mine),
        Effect.provideService(KeyStore, keys.store)
      )
      assert.strictEqual(stored.stored.masterKeyId, (yield* MasterKey.pipe(Effect.provide(mine))).activeId)
      const error = yield* replica(other, keys).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
    })
  )

  it.effect("data without a record of its master key stops the start", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      keys.state.hasData = true
      const error = yield* replica(masterOf(fileKeys(1)), keys).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
      assert.deepStrictEqual([keys.keys, keys.fingerprints], [[], []])
    })
  )

  it.effect("a wrapped key that was moved to another purpose does not open", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const master = masterOf(fileKeys(1))
      yield* replica(master, keys)
      const [a, b] = [keys.keys[0]!, keys.keys[1]!]
      keys.keys[0] = { ...a, wrapped: b.wrapped }
      keys.keys[1] = { ...b, wrapped: a.wrapped }
      assert.strictEqual((yield* replica(master, keys).pipe(Effect.flip))._tag, "KeyFileMismatch")
    })
  )

  it.effect("a passing fault of the master key is not called another key file", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const master = LocalMasterKey.make(fileKeys(1))
      yield* replica(Layer.succeed(MasterKey, master), keys)
      const failing = MasterKey.of({
        ...master,
        unwrap: () =>
          Effect.fail(new MasterKeyError({ reason: "Sealed", operation: "unwrap", masterKeyId: "m", detail: "sealed" }))
      })
      const error = yield* replica(Layer.succeed(MasterKey, failing), keys).pipe(Effect.flip)
      assert.strictEqual(error._tag, "MasterKeyError")
    })
  )

  it.effect("keys that another replica adds are found; records and hashes under the old ones still work", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, keys)
      const record = keyring.seal("place", Buffer.from("old"))
      const oldHash = keyring.hashToken("app", "token")
      yield* rotate(keys, master, "seal")
      const oldMaterial = (yield* ServiceKeys.open(keys.keys.find(({ purpose }) => purpose === "token-hash")!).pipe(
        Effect.provide(master)
      )).material
      const layered = Buffer.concat([oldMaterial, randomBytes(32)])
      const newKey = yield* rotate(keys, master, "token-hash", layered)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(keyring.hashToken("app", "token").keyId, newKey.keyId)
      assert.strictEqual(
        hex(keyring.hashToken("app", "token").hash),
        createHmac("sha256", layered.subarray(32)).update(oldHash.hash).digest("hex")
      )
      assert.deepStrictEqual(
        keyring.hashTokenAll("app", "token").map(({ hash, keyId }) => [keyId, hex(hash)]),
        [
          [newKey.keyId, hex(keyring.hashToken("app", "token").hash)],
          [oldHash.keyId, hex(oldHash.hash)]
        ]
      )
      assert.strictEqual(Buffer.from(yield* keyring.open("place", record)).toString(), "old")
      assert.notStrictEqual(SealedRecord.keyIdOf(keyring.seal("p", Buffer.alloc(1))), SealedRecord.keyIdOf(record))
    })
  )

  it.effect("a record under a key it does not know makes it look at once", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const master = masterOf(fileKeys(1))
      const one = yield* replica(master, keys)
      yield* rotate(keys, master, "seal")
      const two = yield* replica(master, keys)
      const record = two.seal("place", Buffer.from("new"))
      yield* TestClock.adjust("60 millis")
      assert.strictEqual((yield* one.open("place", record).pipe(Effect.flip))._tag, "NotOpenable")
      yield* TestClock.adjust("60 millis")
      const opened = yield* one.open("place", record).pipe(Effect.retry(Schedule.recurs(100)))
      assert.strictEqual(Buffer.from(opened).toString(), "new")
    })
  )

  it.effect("goes on with the keys it has while the store is away, and catches up afterwards", () =>
    Effect.gen(function* () {
      const keys = tinyKeyStore.make()
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, keys)
      const before = keyring.hashToken("app", "token")
      const added = yield* rotate(keys, master, "token-hash")
      keys.state.down = true
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(keyring.hashToken("app", "token"), before)
      keys.state.down = false
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(keyring.hashToken("app", "token").keyId, added.keyId)
    })
  )
})
