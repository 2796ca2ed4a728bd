/** What every `KeyStore` promises. Run it against each layer that claims to be one. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { KeyStore, type StoredKey } from "../../src/store/KeyStore.ts"
import { aName, anId } from "../support/storeFixtures.ts"

const aKey = (changes: Partial<StoredKey> = {}): StoredKey => ({
  keyId: anId(),
  purpose: "tenant-data",
  tenantId: aName("tenant"),
  state: "active",
  masterKeyId: "master-1",
  wrapped: new Uint8Array([1, 2, 0, 255]),
  createdAt: 1_700_000_000_000,
  ...changes
})

export const keyStoreSuite = (name: string, stores: Layer.Layer<KeyStore, unknown>) =>
  layer(stores, { excludeTestServices: true })(`KeyStore (${name})`, (it) => {
    it.effect("holds no data before the first key", () =>
      Effect.gen(function* () {
        const store = yield* KeyStore
        assert.isFalse(yield* store.hasData)
        assert.deepStrictEqual(yield* store.keys, [])
        yield* store.ensureActive(aKey())
        assert.isTrue(yield* store.hasData)
      })
    )

    it.effect("gives the key back as it was written", () =>
      Effect.gen(function* () {
        const store = yield* KeyStore
        for (const key of [
          aKey({ purpose: "seal", tenantId: null, wrapped: new Uint8Array(200).fill(9) }),
          aKey({ purpose: "audit-signing", tenantId: null, link: '{"key_id":"x","at":1}' })
        ]) {
          assert.deepStrictEqual(yield* store.ensureActive(key), key)
          assert.deepStrictEqual(
            (yield* store.keys).find((other) => other.keyId === key.keyId),
            key
          )
        }
      })
    )

    it.effect("agrees on one active key of a purpose and tenant, however many want to make it", () =>
      Effect.gen(function* () {
        const store = yield* KeyStore
        const tenantId = aName("tenant")
        // The lowest id comes last: who reads the first row by id reads another one than who came before.
        const candidates = Array.from({ length: 12 }, () => aKey({ tenantId })).toReversed()
        const made = yield* Effect.all(
          candidates.map((candidate) => store.ensureActive(candidate)),
          { concurrency: 12 }
        )
        assert.strictEqual(new Set(made.map((key) => key.keyId)).size, 1)
        const active = (yield* store.keys).filter((key) => key.tenantId === tenantId && key.state === "active")
        assert.deepStrictEqual(
          active.map((key) => key.keyId),
          [made[0]?.keyId]
        )
        const others = [aKey({ tenantId, purpose: "fingerprint" }), aKey({ tenantId: tenantId.toUpperCase() })]
        for (const other of others) assert.strictEqual((yield* store.ensureActive(other)).keyId, other.keyId)
      })
    )

    it.effect("keeps the fingerprint of a master key as it was first told", () =>
      Effect.gen(function* () {
        const store = yield* KeyStore
        const [first, second] = [aName("master"), aName("master")].toSorted()
        yield* store.addMasterKeyFingerprint(first ?? "", "aa")
        yield* store.addMasterKeyFingerprint(second ?? "", "bb")
        yield* store.addMasterKeyFingerprint(first ?? "", "cc")
        assert.deepStrictEqual(yield* store.masterKeyFingerprints, [
          { masterKeyId: first ?? "", fingerprint: "aa" },
          { masterKeyId: second ?? "", fingerprint: "bb" }
        ])
      })
    )
  })
