// Verifies R-SEC-3, R-SEC-30.
import { createHmac, randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import * as HashCover from "../../../src/crypto/HashCover.ts"
import * as HashKeys from "../../../src/crypto/HashKeys.ts"
import * as KeyFile from "../../../src/crypto/KeyFile.ts"
import { Keyring } from "../../../src/crypto/Keyring.ts"
import * as LiveKeyring from "../../../src/crypto/LiveKeyring.ts"
import * as LocalMasterKey from "../../../src/crypto/LocalMasterKey.ts"
import { MasterKey, MasterKeyError } from "../../../src/crypto/MasterKey.ts"
import * as SealedRecord from "../../../src/crypto/SealedRecord.ts"
import * as ServiceKeys from "../../../src/crypto/ServiceKeys.ts"
import type { Token } from "../../../src/domain/Token.ts"
import { KeyStore, type StoredKey } from "../../../src/store/KeyStore.ts"
import { type KeyWorld, keyWorld } from "./keyWorld.ts"

const fileKeys = (...days: ReadonlyArray<number>) =>
  days.flatMap((day) => KeyFile.parse(KeyFile.newText(1_764_000_000_000, `2026-01-0${day}T00:00:00.000Z`))!)

const config = CryptoConfig.layer.pipe(
  Layer.provide(
    ConfigProvider.layer(
      ConfigProvider.fromEnvRecord({ CM_KEYS_ACTIVATION: "20 seconds", CM_KEYS_RELOAD: "2 seconds" })
    )
  )
)
const masterOf = (keys: ReadonlyArray<KeyFile.FileKey>) => Layer.succeed(MasterKey, LocalMasterKey.make(keys))
const replica = (master: Layer.Layer<MasterKey>, world: KeyWorld) =>
  Layer.build(Layer.fresh(LiveKeyring.layer).pipe(Layer.provide([config, master, world.stores]))).pipe(
    Effect.flatMap((context) => Effect.provide(Keyring, context))
  )

/** Replaces the active key of a purpose, as another replica would. */
const rotate = Effect.fnUntraced(function* (
  world: KeyWorld,
  master: Layer.Layer<MasterKey>,
  purpose: StoredKey["purpose"],
  material?: Uint8Array
) {
  const before = yield* world.rotation.activeKey(purpose, null)
  const { stored } = yield* ServiceKeys.makeCandidate(purpose, null, material).pipe(Effect.provide(master))
  assert.isTrue(yield* world.rotation.replaceActive(before!.keyId, stored))
  return stored
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("LiveKeyring", () => {
  it.effect("replicas that share a database and a key file agree on every key", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const [one, two] = yield* Effect.all([replica(master, world), replica(master, world)], { concurrency: 2 })
      assert.deepStrictEqual(two.hashToken("app", "token"), one.hashToken("app", "token"))
      assert.strictEqual(two.fingerprint("a", "b"), one.fingerprint("a", "b"))
      assert.strictEqual(Buffer.from(yield* two.open("place", one.seal("place", Buffer.from("x")))).toString(), "x")
      assert.strictEqual(world.keys().length, 4)
      assert.strictEqual(world.tables.masterKeys.size, 1)
    })
  )

  it.effect("a token's hash is HMAC-SHA-256 over application name, a zero byte and value", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, world)
      const stored = world.keys().find(({ purpose }) => purpose === "token-hash")!
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
      const keyring = yield* replica(masterOf(fileKeys(1)), yield* keyWorld)
      const all = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"], ["ab\0\0\0\0c"], []].map((parts) =>
        keyring.fingerprint(...parts)
      )
      assert.strictEqual(new Set(all).size, all.length)
      assert.match(all[0]!, /^[0-9a-f]{64}$/)
      assert.strictEqual(keyring.fingerprint("ab", Buffer.from("c")), all[0])
    })
  )

  it.effect("another key file than the data was written with stops the start, and changes nothing", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      yield* replica(masterOf(fileKeys(1)), world)
      const before = JSON.stringify([world.keys(), [...world.tables.masterKeys]])
      const error = yield* replica(masterOf(fileKeys(1)), world).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
      assert.match(error.message, /^the database was written with another key file[^\n]*$/)
      assert.strictEqual(JSON.stringify([world.keys(), [...world.tables.masterKeys]]), before)
    })
  )

  it.effect("a key file that reuses an id for another key stops the start", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const [mine] = fileKeys(1)
      yield* replica(masterOf([mine!]), world)
      const error = yield* replica(masterOf([{ ...mine!, material: randomBytes(32) }]), world).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
    })
  )

  it.effect("a key file that lost a master key which stored keys need stops the start", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const [first, second] = fileKeys(1, 2)
      yield* replica(masterOf([first!]), world)
      yield* replica(masterOf([second!, first!]), world)
      const error = yield* replica(masterOf([second!]), world).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
      assert.include(error.message, first!.id)
    })
  )

  it.effect("of two key files that meet on an empty database, one wins and the other never starts", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const [mine, other] = [masterOf(fileKeys(1)), masterOf(fileKeys(1))]
      // The other one has passed the check and has not made its keys yet.
      yield* ServiceKeys.checkMasterKey.pipe(Effect.provide(other), Effect.provideService(KeyStore, world.keyStore))
      const stored = yield* ServiceKeys.ensure("seal", null).pipe(
        Effect.provide(mine),
        Effect.provideService(KeyStore, world.keyStore)
      )
      assert.strictEqual(stored.stored.masterKeyId, (yield* MasterKey.pipe(Effect.provide(mine))).activeId)
      const error = yield* replica(other, world).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
    })
  )

  it.effect("data without a record of its master key stops the start", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      world.tables.tokens.set("one", {} as Token)
      const error = yield* replica(masterOf(fileKeys(1)), world).pipe(Effect.flip)
      assert.strictEqual(error._tag, "KeyFileMismatch")
      assert.deepStrictEqual([world.keys(), world.tables.masterKeys.size], [[], 0])
    })
  )

  it.effect("a wrapped key that was moved to another purpose does not open", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      yield* replica(master, world)
      const [a, b] = [world.keys()[0]!, world.keys()[1]!]
      world.put({ ...a, wrapped: b.wrapped })
      world.put({ ...b, wrapped: a.wrapped })
      assert.strictEqual((yield* replica(master, world).pipe(Effect.flip))._tag, "KeyFileMismatch")
    })
  )

  describe("a key's row that somebody else wrote", () => {
    const planted = (world: KeyWorld, change: Partial<StoredKey>): StoredKey => {
      const [one] = world.keys()
      return { ...one!, keyId: "00000000-0000-7000-8000-000000000000", state: "retiring", ...change }
    }
    const others = [
      { name: "moved here from another place", change: {} },
      { name: "under a master key that there is none of", change: { masterKeyId: "unheard" } }
    ] as const
    const purposes = ["token-hash", "seal", "fingerprint", "row-tag"] as const
    for (const { change, name } of others) {
      it.effect(
        `${name}, is left out by a start and by a replica that runs, and by what says which key to write with`,
        () =>
          Effect.gen(function* () {
            for (const purpose of purposes) {
              const world = yield* keyWorld
              const master = masterOf(fileKeys(1))
              const keyring = yield* replica(master, world)
              const before = keyring.hashToken("app", "token")
              // The key that is written with looks younger than it.
              const active = (yield* world.rotation.activeKey(purpose, null))!
              world.put(planted(world, { purpose, createdAt: active.createdAt - 60_000, ...change }))
              yield* TestClock.adjust("25 seconds")
              assert.isTrue(keyring.isCurrent(), purpose)
              const started = yield* replica(master, world)
              for (const one of [keyring, started]) {
                assert.deepStrictEqual(one.hashToken("app", "token"), before)
                assert.deepStrictEqual(one.hashKeyIds(), [before.keyId])
                assert.strictEqual(one.fingerprint("a"), keyring.fingerprint("a"))
                assert.strictEqual(
                  Buffer.from(yield* started.open("p", one.seal("p", Buffer.from("x")))).toString(),
                  "x"
                )
              }
            }
          })
      )
    }

    it.effect("is left out by a replica that had opened it where it stood before", () =>
      Effect.gen(function* () {
        const world = yield* keyWorld
        const master = masterOf(fileKeys(1))
        const keyring = yield* replica(master, world)
        const { keyId } = (yield* world.rotation.activeKey("seal", null))!
        yield* rotate(world, master, "seal")
        yield* TestClock.adjust("25 seconds")
        const before = keyring.hashToken("app", "token")
        world.put({ ...world.keys().find((key) => key.keyId === keyId)!, purpose: "token-hash" })
        yield* TestClock.adjust("25 seconds")
        assert.isTrue(keyring.isCurrent())
        assert.deepStrictEqual(keyring.hashToken("app", "token"), before)
        assert.deepStrictEqual(keyring.hashKeyIds(), [before.keyId])
      })
    )

    it.effect("or a replica with a master key that is not at hand here, is not left out: it may be written with", () =>
      Effect.gen(function* () {
        const world = yield* keyWorld
        const [mine, next] = fileKeys(1, 2)
        const master = masterOf([mine!])
        const keyring = yield* replica(master, world)
        yield* replica(masterOf([next!, mine!]), world)
        yield* rotate(world, masterOf([next!]), "token-hash")
        yield* rotate(world, master, "token-hash")
        yield* TestClock.adjust("25 seconds")
        assert.isFalse(keyring.isCurrent())
      })
    )

    it.effect("is not left out when it is the one to write with, nor when a row needs it", () =>
      Effect.gen(function* () {
        for (const state of ["active", "retiring"] as const) {
          const world = yield* keyWorld
          const master = masterOf(fileKeys(1))
          const keyring = yield* replica(master, world)
          const key = planted(world, { purpose: "token-hash", state })
          world.put(key)
          if (state === "retiring") {
            world.tables.tokens.set("one", { hashKeyId: key.keyId } as Token)
          }
          assert.strictEqual((yield* replica(master, world).pipe(Effect.flip))._tag, "KeyFileMismatch", state)
          yield* TestClock.adjust("25 seconds")
          assert.isFalse(keyring.isCurrent(), state)
        }
      })
    )
  })

  it.effect("a passing fault of the master key is not called another key file", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = LocalMasterKey.make(fileKeys(1))
      yield* replica(Layer.succeed(MasterKey, master), world)
      const failing = MasterKey.of({
        ...master,
        unwrap: () =>
          Effect.fail(new MasterKeyError({ reason: "Sealed", operation: "unwrap", masterKeyId: "m", detail: "sealed" }))
      })
      const error = yield* replica(Layer.succeed(MasterKey, failing), world).pipe(Effect.flip)
      assert.strictEqual(error._tag, "MasterKeyError")
    })
  )

  it.effect("a new key is read with at once, written with when all must know it; the old ones still work", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, world)
      const record = keyring.seal("place", Buffer.from("old"))
      const old = keyring.hashToken("app", "token")
      const oldKey = yield* world.rotation.activeKey("token-hash", null)
      const { material } = yield* ServiceKeys.open(oldKey!).pipe(Effect.provide(master))
      const cover = randomBytes(32)
      const covered = HashKeys.followed(material, cover)
      yield* TestClock.adjust("2 minutes")
      yield* rotate(world, master, "seal")
      const newKey = yield* rotate(world, master, "token-hash", covered)
      const both = [newKey.keyId, old.keyId].toSorted()
      const expected = hex(HashCover.make(cover).put(old.hash))

      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(keyring.hashToken("app", "token"), old)
      const all = keyring.hashTokenAll("app", "token")
      assert.deepStrictEqual(
        all.map(({ keyId }) => keyId),
        [old.keyId, newKey.keyId]
      )
      assert.deepStrictEqual(keyring.hashKeyIds(), [old.keyId, newKey.keyId])
      assert.deepStrictEqual(
        all.map(({ hash }) => hex(hash)),
        [hex(old.hash), expected]
      )
      assert.strictEqual(SealedRecord.keyIdOf(keyring.seal("p", Buffer.alloc(1))), SealedRecord.keyIdOf(record))

      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(keyring.hashToken("app", "token").keyId, newKey.keyId)
      assert.strictEqual(hex(keyring.hashToken("app", "token").hash), expected)
      assert.deepStrictEqual(
        keyring
          .hashTokenAll("app", "token")
          .map(({ keyId }) => keyId)
          .toSorted(),
        both
      )
      assert.strictEqual(Buffer.from(yield* keyring.open("place", record)).toString(), "old")
      assert.notStrictEqual(SealedRecord.keyIdOf(keyring.seal("p", Buffer.alloc(1))), SealedRecord.keyIdOf(record))
    })
  )

  it.effect("whatever one replica writes, another that is current can read, at every moment of a rotation", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const one = yield* replica(master, world)
      yield* TestClock.adjust("2 minutes")
      yield* rotate(world, master, "token-hash")
      const two = yield* replica(master, world)
      world.state.down = true
      // `one` never learns of the new key; `two` learns nothing more either, but has it.
      for (let second = 0; second < 60; second++) {
        const written = [one, two].map((keyring) => hex(keyring.hashToken("app", "token").hash))
        for (const reader of [one, two]) {
          if (!reader.isCurrent()) continue
          const readable = reader.hashTokenAll("app", "token").map(({ hash }) => hex(hash))
          for (const hash of written) assert.include(readable, hash, `second ${second}`)
        }
        yield* TestClock.adjust("1 second")
      }
      assert.isFalse(one.isCurrent())
      world.state.down = false
      yield* TestClock.adjust("3 seconds")
      assert.isTrue(one.isCurrent())
    })
  )

  it.effect("asks the master key once for each key, however often it looks", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const local = LocalMasterKey.make(fileKeys(1))
      let unwraps = 0
      const counting = MasterKey.of({
        ...local,
        unwrap: (place, wrapped) =>
          Effect.suspend(() => {
            unwraps += 1
            return local.unwrap(place, wrapped)
          })
      })
      const keyring = yield* replica(Layer.succeed(MasterKey, counting), world)
      const before = keyring.hashToken("app", "token")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(unwraps, 4)
      assert.isTrue(keyring.isCurrent())
      assert.deepStrictEqual(keyring.hashToken("app", "token"), before)
    })
  )

  it.effect("overwrites what it opened where it comes to nothing, since another key does not open", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const local = LocalMasterKey.make(fileKeys(1))
      const unwrapped: Array<Uint8Array> = []
      const noting = MasterKey.of({
        ...local,
        unwrap: (place, wrapped) =>
          Effect.tap(local.unwrap(place, wrapped), (material) => Effect.sync(() => unwrapped.push(material)))
      })
      const master = Layer.succeed(MasterKey, noting)
      const keyring = yield* replica(master, world)
      yield* rotate(world, master, "seal")
      const hash = (yield* world.rotation.activeKey("token-hash", null))!
      world.put({ ...hash, keyId: "ffffffff-0000-7000-8000-000000000000" })
      unwrapped.length = 0
      yield* TestClock.adjust("25 seconds")
      assert.isFalse(keyring.isCurrent())
      assert.isAbove(unwrapped.length, 0)
      for (const material of unwrapped) assert.isTrue(material.every((byte) => byte === 0))
    })
  )

  it.effect("a record under a key it does not know makes it look at once", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, world)
      const material = Buffer.alloc(32, 9)
      const added = yield* rotate(world, master, "seal", material)
      const record = SealedRecord.seal(SealedRecord.makeKey(added.keyId, material), "place", Buffer.from("new"))
      yield* TestClock.adjust("60 millis")
      assert.strictEqual((yield* keyring.open("place", record).pipe(Effect.flip))._tag, "NotOpenable")
      yield* TestClock.adjust("60 millis")
      assert.strictEqual(Buffer.from(yield* keyring.open("place", record)).toString(), "new")
    })
  )

  it.effect("goes on with the keys it has while the store is away, says when that is too long, and catches up", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, world)
      const before = keyring.hashToken("app", "token")
      world.state.down = true
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(keyring.hashToken("app", "token"), before)
      assert.isTrue(keyring.isCurrent())
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(keyring.isCurrent())
      world.state.down = false
      const added = yield* rotate(world, master, "token-hash")
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(keyring.isCurrent())
      assert.strictEqual(keyring.hashToken("app", "token").keyId, added.keyId)
    })
  )

  it.effect("is current by both clocks or not at all: a machine that slept knows nothing of what happened since", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const clock = yield* Effect.clockWith(Effect.succeed)
      let slept = 0
      const sleepy: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + slept
      })
      const keyring = yield* Effect.provideService(replica(masterOf(fileKeys(1)), world), Clock.Clock, sleepy)
      assert.isTrue(keyring.isCurrent())
      slept = 18_000
      assert.isFalse(keyring.isCurrent())
      slept = 0
      assert.isTrue(keyring.isCurrent())
    })
  )

  it.effect("tells how often its sealing key was used, each time what is new", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const keyring = yield* replica(masterOf(fileKeys(1)), world)
      const { keyId } = world.keys().find(({ purpose }) => purpose === "seal")!
      const uses = world.rotation.addUses(keyId, 0)
      for (let count = 0; count < 3; count++) keyring.seal("place", Buffer.from("x"))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* uses, 3)
      keyring.seal("place", Buffer.from("x"))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* uses, 4)
    })
  )

  it.effect("reads the keys also while nobody can be told how often one was used, and tells it later", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, world)
      const { keyId } = world.keys().find(({ purpose }) => purpose === "seal")!
      for (const uses of ["fail", "hang"] as const) {
        world.state.uses = uses
        const added = yield* rotate(world, master, "token-hash")
        for (let second = 0; second < 60; second++) {
          keyring.seal("place", Buffer.from("x"))
          yield* TestClock.adjust("1 second")
          assert.isTrue(keyring.isCurrent(), `they ${uses}, second ${second}`)
        }
        assert.strictEqual(keyring.hashToken("app", "token").keyId, added.keyId)
        if (uses === "hang") continue
        assert.strictEqual(yield* world.rotation.addUses(keyId, 0), 0)
        world.state.uses = "are told"
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* world.rotation.addUses(keyId, 0), 60)
      }
    })
  )

  it.effect("looks for no token under a key that is retired", () =>
    Effect.gen(function* () {
      const world = yield* keyWorld
      const master = masterOf(fileKeys(1))
      const keyring = yield* replica(master, world)
      const old = world.keys().find(({ purpose }) => purpose === "token-hash")!
      yield* rotate(world, master, "token-hash")
      yield* TestClock.adjust("3 seconds")
      assert.lengthOf(keyring.hashTokenAll("app", "token"), 2)
      assert.strictEqual(yield* world.rotation.retire(old.keyId), "retired")
      yield* TestClock.adjust("3 seconds")
      assert.notInclude(
        keyring.hashTokenAll("app", "token").map(({ keyId }) => keyId),
        old.keyId
      )
    })
  )

  it.effect("a row's tag holds whole, for its own text, and no part of it", () =>
    Effect.gen(function* () {
      const { rowHolds, rowTag } = yield* replica(masterOf(fileKeys(1)), yield* keyWorld)
      const tag = rowTag("text")
      assert.isTrue(rowHolds(tag, "text"))
      for (const part of [undefined, tag.subarray(0, 0), tag.subarray(0, 1), tag.subarray(0, 15)]) {
        assert.isFalse(rowHolds(part, "text"))
      }
      assert.isFalse(rowHolds(Buffer.concat([tag, tag]), "text"))
      assert.isFalse(rowHolds(tag, "texu"))
      assert.isFalse(rowHolds(tag, null))
    })
  )

  it("writes with the active key when it is old enough, else with what everybody knows", () => {
    const key = (state: "active" | "retiring", ageMs: number) => ({ state, ageMs })
    const [old, older, oldest] = [key("retiring", 25), key("retiring", 50), key("retiring", 100)]
    const cases = [
      [[], undefined],
      [[key("active", 0)], 0],
      [[key("active", 20), older], 20],
      [[key("active", 19), older], 50],
      [[key("active", 5), key("retiring", 10), older, oldest], 50],
      [[key("active", 5), key("retiring", 10), key("retiring", 15)], 15],
      [[oldest, older, old, key("active", 30)], 30],
      [[oldest, old], 25]
    ] as const
    for (const [keys, age] of cases) assert.strictEqual(LiveKeyring.writingKey(keys, 20)?.ageMs, age)
  })
})
