/** What every `MasterKey` promises. Run it against each layer that claims to be one. */
import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { MasterKey, wrapBytesMax } from "../../src/crypto/MasterKey.ts"

export const masterKeySuite = (name: string, masterKey: Layer.Layer<MasterKey, unknown>) =>
  layer(masterKey, { excludeTestServices: true })(`MasterKey (${name})`, (it) => {
    it.effect("opens what it wrapped, for every length of key in use, without showing it", () =>
      Effect.gen(function* () {
        const master = yield* MasterKey
        for (const length of [32, 64, wrapBytesMax]) {
          const key = randomBytes(length)
          const wrapped = yield* master.wrap("seal//k1", key)
          assert.strictEqual(wrapped.masterKeyId, master.activeId)
          assert.isBelow(wrapped.wrapped.byteLength, 2_048, "it must fit its column")
          assert.isFalse(Buffer.from(wrapped.wrapped).includes(key))
          assert.deepStrictEqual(Buffer.from(yield* master.unwrap("seal//k1", wrapped)), key)
        }
      })
    )

    it.effect("wraps the same key differently each time", () =>
      Effect.gen(function* () {
        const master = yield* MasterKey
        const key = randomBytes(32)
        const [one, two] = [yield* master.wrap("seal//k1", key), yield* master.wrap("seal//k1", key)]
        assert.notDeepEqual(one.wrapped, two.wrapped)
      })
    )

    it.effect("does not open what was wrapped for another place", () =>
      Effect.gen(function* () {
        const master = yield* MasterKey
        const wrapped = yield* master.wrap("tenant-data/acme/k1", randomBytes(32))
        for (const place of ["tenant-data/other/k1", "tenant-data/acme/k2", "seal//k1", ""]) {
          const error = yield* master.unwrap(place, wrapped).pipe(Effect.flip)
          assert.strictEqual(error.reason, "NotOpenable")
          assert.isFalse(error.isRetryable)
        }
      })
    )

    it.effect("does not open what was tampered with or cut", () =>
      Effect.gen(function* () {
        const master = yield* MasterKey
        const { masterKeyId, wrapped } = yield* master.wrap("seal//k1", randomBytes(32))
        const changed = Buffer.from(wrapped)
        changed[changed.byteLength - 3]! ^= 1
        for (const bad of [changed, wrapped.subarray(0, wrapped.byteLength - 1), new Uint8Array(0)]) {
          const error = yield* master.unwrap("seal//k1", { masterKeyId, wrapped: bad }).pipe(Effect.flip)
          assert.strictEqual(error.reason, "NotOpenable")
        }
      })
    )

    it.effect("knows the master keys it does not have", () =>
      Effect.gen(function* () {
        const master = yield* MasterKey
        const { wrapped } = yield* master.wrap("seal//k1", randomBytes(32))
        const stranger = { masterKeyId: "0193b0a0-0000-7000-8000-00000000dead", wrapped }
        assert.strictEqual((yield* master.unwrap("seal//k1", stranger).pipe(Effect.flip)).reason, "UnknownKey")
      })
    )

    it.effect("shows a fingerprint for the active key, 32 bytes in hex", () =>
      Effect.gen(function* () {
        const master = yield* MasterKey
        assert.isTrue(master.fingerprints.some(({ masterKeyId }) => masterKeyId === master.activeId))
        for (const { fingerprint } of master.fingerprints) assert.match(fingerprint, /^[0-9a-f]{64}$/)
      })
    )
  })
