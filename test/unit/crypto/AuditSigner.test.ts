/**
 * Verifies R-AUD-11: the key that signs the audit is followed by others, each signed by the one before it; what was
 * signed before stays verifiable, and whoever writes the database puts in no key of their own.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign as signWith } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as AuditKeyLink from "../../../src/crypto/AuditKeyLink.ts"
import * as LocalMasterKey from "../../../src/crypto/LocalMasterKey.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import * as ServiceKeys from "../../../src/crypto/ServiceKeys.ts"
import type { AuditKeyLink as Link } from "../../../src/domain/AuditKeyLink.ts"
import type { StoredKey } from "../../../src/store/KeyStore.ts"
import { fileKeys, operator, type RotationReplica, rotationWorld, turns } from "../../support/rotationWorld.ts"

const settings = { CM_KEYS_RELOAD: "4 seconds", CM_KEYS_ACTIVATION: "20 seconds", CM_KEYS_ERASE_AFTER: "1 minute" }
const named = { purpose: "audit-signing" as const, force: true }
const bytes = new TextEncoder().encode("a head")
const none = new Uint8Array(0)

const signingWorld = Effect.gen(function* () {
  const made = yield* rotationWorld(settings)
  const one = yield* made.replica
  yield* TestClock.adjust("1 minute")
  const signing = (): ReadonlyArray<StoredKey> =>
    made.world
      .keys()
      .filter(({ purpose }) => purpose === "audit-signing")
      .toSorted((a, b) => a.createdAt - b.createdAt)
  const rotate = (replica: RotationReplica) =>
    Effect.tap(replica.keys.rotateKeys(operator, named), () => TestClock.adjust("1 minute"))
  const nowMs = Effect.clockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe()))
  return { ...made, one, signing, rotate, nowMs }
})

/** Somebody who writes the database, with keys of their own. */
const attacker = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  return { privateKey, publicText: publicKey.export({ format: "jwk" }).x ?? "" }
}
const linked = (said: Omit<Link, "previous_signature" | "signature">, previous: KeyObject, next: KeyObject): string => {
  const by = (key: KeyObject) => signWith(null, AuditKeyLink.signedBytes(said), key).toString("base64url")
  return JSON.stringify({ ...said, previous_signature: by(previous), signature: by(next) })
}

describe("rotating the audit's signing key", () => {
  it.effect("every replica takes the new one live, once all must know it; what was signed before verifies on", () =>
    Effect.gen(function* () {
      const { audit, events, nowMs, one, replica, signing, world } = yield* signingWorld
      const two = yield* replica
      const old = yield* one.signer.sign(bytes)
      const signedAt = yield* nowMs
      const { keyIds, notRotated, tenants } = yield* one.keys.rotateKeys(operator, named)
      assert.deepStrictEqual([keyIds.length, tenants, notRotated], [1, 0, []])
      const next = keyIds[0]!

      yield* TestClock.adjust("10 seconds")
      for (const { signer } of [one, two]) {
        assert.strictEqual((yield* signer.sign(bytes)).keyId, old.keyId, "not before every replica must know it")
      }
      yield* TestClock.adjust("20 seconds")
      for (const [by, other] of [
        [one, two],
        [two, one]
      ] as const) {
        const { keyId, publicKey, signature } = yield* by.signer.sign(bytes)
        assert.strictEqual(keyId, next)
        assert.notStrictEqual(publicKey, old.publicKey)
        yield* other.signer.ready
        assert.isTrue(other.signer.verify(keyId, bytes, signature, yield* nowMs))
        assert.isTrue(other.signer.verify(old.keyId, bytes, old.signature, signedAt))
        assert.isFalse(other.signer.verify(keyId, bytes, old.signature, signedAt))
      }

      // It is told in the audit, in the event, and in the row: the same step.
      const link = JSON.parse(signing()[1]!.link!) as Link
      assert.deepStrictEqual(audit().at(-1)?.diff, {
        "audit-signing": [old.keyId, next],
        tenants: 0,
        force: true,
        audit_key: link
      })
      assert.deepStrictEqual(events().at(-1)?.body.audit_key, link)
      assert.deepStrictEqual([link.previous_public_key, link.key_id], [old.publicKey, next])
      assert.isNotNull(AuditKeyLink.read(JSON.stringify(link)))

      // The old key's private half goes; what it signed is verified by the links.
      yield* TestClock.adjust("20 seconds")
      yield* one.keys.retireKey(old.keyId, operator)
      yield* TestClock.adjust("2 minutes")
      yield* turns(one)
      assert.strictEqual(world.tables.dataKeys.get(old.keyId)?.wrapped.byteLength, 0)
      const fresh = yield* replica
      for (const { signer } of [one, fresh]) {
        assert.isTrue(signer.verify(old.keyId, bytes, old.signature, signedAt))
        assert.strictEqual((yield* signer.sign(bytes)).keyId, next)
      }
    })
  )

  it.effect("goes on over many of them, and says each step, the newest first", () =>
    Effect.gen(function* () {
      const { nowMs, one, replica, rotate, signing } = yield* signingWorld
      const signed = []
      for (let step = 0; step < 10; step++) {
        signed.push({ ...(yield* one.signer.sign(bytes)), at: yield* nowMs })
        yield* rotate(one)
      }
      const fresh = yield* replica
      for (const { at, keyId, signature } of signed) assert.isTrue(fresh.signer.verify(keyId, bytes, signature, at))
      const links = fresh.signer.linksUnsafe()
      assert.deepStrictEqual(
        links.map(({ previous_key_id }) => previous_key_id),
        signed.map(({ keyId }) => keyId).toReversed()
      )
      assert.strictEqual(signing().length, 11)
    })
  )

  it.effect("asked for by two at once happens once, and repeated at once not again", () =>
    Effect.gen(function* () {
      const { one, replica, signing } = yield* signingWorld
      const two = yield* replica
      const answers = yield* Effect.forEach([one, two, one], ({ keys }) => keys.rotateKeys(operator, named), {
        concurrency: "unbounded"
      })
      assert.strictEqual(answers.flatMap(({ keyIds }) => keyIds).length, 1)
      assert.strictEqual(signing().length, 2)
    })
  )

  it.effect("is left alone by a rotation that does not name it, and while it is young", () =>
    Effect.gen(function* () {
      const { replica, signing } = yield* Effect.gen(function* () {
        const made = yield* rotationWorld({ ...settings, CM_KEYS_AGE_MIN: "1 hour" })
        const signing = () => made.world.keys().filter(({ purpose }) => purpose === "audit-signing")
        return { ...made, signing }
      })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      yield* one.keys.rotateKeys(operator)
      assert.strictEqual(signing().length, 1)
      const unforced = { ...named, force: false }
      assert.strictEqual((yield* one.keys.rotateKeys(operator, unforced)).keyIds.length, 1)
      yield* TestClock.adjust("1 minute")
      const again = yield* one.keys.rotateKeys(operator, unforced)
      assert.deepStrictEqual([again.keyIds, again.notRotated.map(({ why }) => why)], [[], ["young"]])
    })
  )

  it.effect("a key that was lost makes nothing good that says it was signed after it was followed", () =>
    Effect.gen(function* () {
      const { master, nowMs, one, rotate, signing } = yield* signingWorld
      const [first] = signing()
      const { material: seed } = yield* ServiceKeys.open(first!).pipe(
        Effect.provideService(MasterKey, LocalMasterKey.make(master.keys))
      )
      const before = yield* nowMs
      yield* rotate(one)
      yield* one.signer.ready
      const { until } = one.signer.linksUnsafe()[0]!
      const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
      const signature = signWith(null, bytes, { key: der, format: "der", type: "pkcs8" })
      const verify = (at: number | null) => one.signer.verify(first!.keyId, bytes, signature, at)
      assert.deepStrictEqual([verify(before), verify(until), verify(until + 1)], [true, true, false])
      assert.isAbove(until, yield* nowMs, "who was slow is not called a forger")
    })
  )
})

describe("somebody who writes the database", () => {
  const rotatedOnce = Effect.gen(function* () {
    const all = yield* signingWorld
    const old = yield* all.one.signer.sign(bytes)
    const at = yield* all.nowMs
    yield* all.rotate(all.one)
    const [first, second] = all.signing()
    return { ...all, old, at, first: first!, second: second! }
  })
  /** What a replica does that starts on this database. */
  const starting = (all: Effect.Success<typeof rotatedOnce>) =>
    Effect.map(Effect.result(all.replica), (result) =>
      result._tag === "Success" ? "starts" : `${result.failure._tag}: ${(result.failure as Error).message}`
    )

  it.effect("puts in no key of their own, whatever they wrap it with", () =>
    Effect.gen(function* () {
      const all = yield* rotatedOnce
      const foreign = LocalMasterKey.make(fileKeys(5))
      const own = yield* ServiceKeys.makeCandidate("audit-signing", null).pipe(
        Effect.provideService(MasterKey, foreign)
      )
      const { masterKeyId } = all.second
      all.world.put({ ...all.second, state: "retiring" })
      all.world.put({ ...own.stored, masterKeyId, createdAt: 0 })
      assert.match(yield* starting(all), /^KeyFileMismatch/)
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(all.one.signer.verify(own.stored.keyId, bytes, signWith(null, bytes, attacker().privateKey), null))
      assert.isTrue(all.one.signer.verify(all.old.keyId, bytes, all.old.signature, all.at))
    })
  )

  it.effect("makes the true key follow no key of theirs: both keys sign a step", () =>
    Effect.gen(function* () {
      const all = yield* rotatedOnce
      const mine = attacker()
      const link = JSON.parse(all.second.link!) as Link
      const said = {
        ...link,
        previous_key_id: "0193b0a0-0000-7000-8000-00000000dead",
        previous_public_key: mine.publicText
      }
      const { previous_signature: _1, signature: _2, ...unsigned } = said
      const forged = JSON.parse(linked(unsigned, mine.privateKey, mine.privateKey)) as Link
      for (const text of [
        linked(unsigned, mine.privateKey, mine.privateKey),
        // With the true key's signature over the true step.
        JSON.stringify({ ...forged, signature: link.signature }),
        JSON.stringify({ ...link, previous_public_key: mine.publicText }),
        JSON.stringify({ ...link, until: link.until + 1 }),
        "{}",
        undefined
      ]) {
        const { link: _, ...row } = all.second
        all.world.put(text === undefined ? row : { ...row, link: text })
        assert.match(yield* starting(all), /^KeyFileMismatch: .* is not signed by the one before it/)
        yield* TestClock.adjust("10 seconds")
        const signature = signWith(null, bytes, mine.privateKey)
        assert.isFalse(all.one.signer.verify(said.previous_key_id, bytes, signature, all.at))
        assert.isTrue(
          all.one.signer.verify(all.old.keyId, bytes, all.old.signature, all.at),
          "goes on with those known"
        )
      }
      // It neither signs nor judges by what it cannot read any more.
      assert.strictEqual((yield* all.one.signer.sign(bytes).pipe(Effect.flip))._tag, "StoreUnavailable")
      assert.strictEqual((yield* all.one.signer.ready.pipe(Effect.flip))._tag, "StoreUnavailable")
      all.world.put(all.second)
      assert.strictEqual((yield* all.one.signer.sign(bytes)).keyId, all.second.keyId, "and is there again with the row")
    })
  )

  it.effect("makes nobody sign with a key that was followed", () =>
    Effect.gen(function* () {
      const all = yield* rotatedOnce
      all.world.put({ ...all.first, state: "active" })
      all.world.put({ ...all.second, state: "retiring" })
      const two = yield* all.replica
      assert.strictEqual((yield* two.signer.sign(bytes)).keyId, all.second.keyId, "the state of a row is not believed")
      // Nor its age: it is younger for ever.
      all.world.put({ ...all.second, createdAt: Number.MAX_SAFE_INTEGER })
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual((yield* two.signer.sign(bytes)).keyId, all.second.keyId)
      assert.deepStrictEqual((yield* two.keys.rotateKeys(operator, named)).keyIds, [], "it is not followed once more")
      all.world.put({ ...all.second, state: "retired", wrapped: none })
      assert.match(yield* starting(all), /was followed by one that is gone/)
    })
  )

  it.effect("with the old key itself leads nobody to a key of theirs", () =>
    Effect.gen(function* () {
      const all = yield* rotatedOnce
      const { material: seed } = yield* ServiceKeys.open(all.first).pipe(
        Effect.provideService(MasterKey, LocalMasterKey.make(all.master.keys))
      )
      const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
      const mine = attacker()
      const leaked = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
      const keyId = "0193b0a0-0000-7000-8000-00000000beef"
      const link = JSON.parse(all.second.link!) as Link
      const { previous_signature: _1, signature: _2, ...said } = { ...link, key_id: keyId, public_key: mine.publicText }
      const row: StoredKey = { ...all.second, keyId, state: "retiring", link: linked(said, leaked, mine.privateKey) }
      assert.isNotNull(AuditKeyLink.read(row.link), "it is a good step, in itself")
      for (const wrapped of [row.wrapped, none]) {
        all.world.put({ ...row, wrapped })
        assert.strictEqual(yield* starting(all), "starts")
        yield* TestClock.adjust("10 seconds")
        const signature = signWith(null, bytes, mine.privateKey)
        for (const { signer } of [all.one, yield* all.replica]) {
          yield* signer.ready
          assert.isFalse(signer.verify(keyId, bytes, signature, all.at))
          assert.strictEqual((yield* signer.sign(bytes)).keyId, all.second.keyId)
        }
      }
      all.world.put({ ...row, state: "active" })
      all.world.put({ ...all.second, state: "retiring" })
      assert.match(yield* starting(all), /^KeyFileMismatch/, "it does not open")
    })
  )

  it.effect(
    "ends no start, and keeps nobody from signing, by rows that are no keys, whatever they say of themselves",
    () =>
      Effect.gen(function* () {
        const all = yield* signingWorld
        const [first] = all.signing()
        const rows = (["retiring", "retired"] as const).flatMap((state) =>
          [none, first!.wrapped].map((wrapped, n) => ({
            ...{ ...first!, state, wrapped },
            keyId: `0193b0a0-0000-7000-8000-00000000${state.length}00${n}`
          }))
        )
        for (const row of rows) all.world.put(row)
        yield* TestClock.adjust("10 seconds")
        for (const { signer } of [all.one, yield* all.replica]) {
          assert.strictEqual((yield* signer.sign(bytes)).keyId, first!.keyId)
          for (const { keyId } of rows) assert.isNull(signer.publicKeyOf(keyId))
        }
      })
  )

  it.effect("takes no step away, while the key before it opens, retired or not", () =>
    Effect.gen(function* () {
      const all = yield* rotatedOnce
      const { link: _, ...unlinked } = all.second
      all.world.put(unlinked)
      for (const state of ["retiring", "retired"] as const) {
        all.world.put({ ...all.first, state })
        assert.match(yield* starting(all), /^KeyFileMismatch: .* is not signed by the one before it/)
      }
      // Nothing opens any more what was signed before it: it is as good as deleted.
      all.world.put({ ...all.first, state: "retired", wrapped: none })
      const two = yield* all.replica
      assert.strictEqual((yield* two.signer.sign(bytes)).keyId, all.second.keyId)
      assert.isFalse(two.signer.verify(all.old.keyId, bytes, all.old.signature, all.at))
    })
  )
})
