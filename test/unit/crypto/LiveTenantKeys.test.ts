/** Verifies: R-SEC-1. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import * as KeyFile from "../../../src/crypto/KeyFile.ts"
import * as LiveTenantKeys from "../../../src/crypto/LiveTenantKeys.ts"
import * as LocalMasterKey from "../../../src/crypto/LocalMasterKey.ts"
import { MasterKey, MasterKeyError } from "../../../src/crypto/MasterKey.ts"
import * as SealedRecord from "../../../src/crypto/SealedRecord.ts"
import { type SecretPlace, TenantKeys } from "../../../src/crypto/TenantKeys.ts"
import { sleepingAtLeast } from "../../support/longSleeps.ts"
import { keyWorld } from "./keyWorld.ts"

/** A database and a master key that count their calls; `replica` opens one more service on them. */
const setup = Effect.fnUntraced(function* (env: Record<string, string> = {}) {
  const world = yield* keyWorld
  const local = LocalMasterKey.make(KeyFile.parse(KeyFile.newText(1_764_000_000_000, "2026-01-01T00:00:00.000Z"))!)
  const calls = { wrap: 0, unwrap: 0, failUnwraps: 0 }
  const gate: { wait: Deferred.Deferred<void> | null } = { wait: null }
  const master = MasterKey.of({
    ...local,
    wrap: (place, key) => {
      calls.wrap += 1
      return local.wrap(place, key)
    },
    unwrap: (place, wrapped) => {
      calls.unwrap += 1
      if (calls.failUnwraps-- > 0) {
        return Effect.fail(
          new MasterKeyError({ reason: "Unreachable", operation: "unwrap", masterKeyId: "m", detail: "away" })
        )
      }
      const opened = local.unwrap(place, wrapped)
      return gate.wait === null ? opened : Effect.andThen(Deferred.await(gate.wait), opened)
    }
  })
  const config = CryptoConfig.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))))
  const replica = Layer.build(
    Layer.fresh(LiveTenantKeys.layer).pipe(Layer.provide([config, Layer.succeed(MasterKey, master), world.stores]))
  ).pipe(Effect.flatMap((context) => Effect.provide(TenantKeys, context)))
  return { world, calls, gate, replica, rotation: world.rotation }
})

const place: SecretPlace = { credentialId: "0193b0a0-0000-7000-8000-000000000001", version: 1, purpose: "credentials" }
const secret = Buffer.from("a provider's secret")
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")

describe("LiveTenantKeys", () => {
  it.effect("what one replica sealed opens on another, in its own place", () =>
    Effect.gen(function* () {
      const { replica } = yield* setup()
      const [one, two] = [yield* replica, yield* replica]
      const { keyId, sealed } = yield* one.sealFor("acme", place, secret)
      assert.strictEqual(SealedRecord.keyIdOf(sealed), keyId)
      assert.strictEqual(text(yield* two.openFor("acme", place, sealed)), text(secret))
    })
  )

  it.effect("moved to another tenant, credential, version or purpose, no secret opens", () =>
    Effect.gen(function* () {
      const { replica } = yield* setup()
      const keys = yield* replica
      const places: Array<readonly [string, SecretPlace]> = []
      for (const tenant of ["acme", "other"]) {
        for (const credentialId of [place.credentialId, "0193b0a0-0000-7000-8000-000000000002"]) {
          for (const version of [1, 2]) {
            for (const purpose of ["credentials", "refresh"]) places.push([tenant, { credentialId, version, purpose }])
          }
        }
      }
      const records = yield* Effect.forEach(places, ([tenant, at]) => keys.sealFor(tenant, at, secret))
      for (const [i, { sealed }] of records.entries()) {
        for (const [j, [tenant, at]] of places.entries()) {
          const opened = yield* keys.openFor(tenant, at, sealed).pipe(Effect.result)
          assert.strictEqual(opened._tag, i === j ? "Success" : "Failure", `${i} at ${j}`)
        }
      }
    })
  )

  it.effect("a wrapped key moved to another tenant's row does not open", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* setup()
      const keys = yield* replica
      yield* keys.sealFor("acme", place, secret)
      yield* keys.sealFor("other", place, secret)
      const [a, b] = [world.keys()[0]!, world.keys()[1]!]
      world.put({ ...a, wrapped: b.wrapped })
      const error = yield* (yield* replica).sealerFor(a.tenantId!).pipe(Effect.flip)
      assert.strictEqual(error._tag, "TenantKeyUnavailable")
      assert.isFalse(error.isRetryable)
    })
  )

  it.effect("each tenant has a key of its own, one for all replicas that meet", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* setup()
      const replicas = [yield* replica, yield* replica, yield* replica]
      const sealed = yield* Effect.forEach(
        [...replicas, ...replicas].flatMap((keys) => ["acme", "other"].map((tenant) => [keys, tenant] as const)),
        ([keys, tenant]) => keys.sealFor(tenant, place, secret),
        { concurrency: 12 }
      )
      assert.strictEqual(new Set(sealed.map(({ keyId }) => keyId)).size, 2)
      assert.deepStrictEqual(
        world
          .keys()
          .map(({ tenantId }) => tenantId)
          .toSorted(),
        ["acme", "other"]
      )
    })
  )

  it.effect("a hundred who wait for a cold key wait for one fetch, and a warm key needs none", () =>
    Effect.gen(function* () {
      const { calls, gate, replica } = yield* setup()
      const { sealed } = yield* (yield* replica).sealFor("acme", place, secret)
      const cold = yield* replica
      calls.unwrap = 0
      gate.wait = yield* Deferred.make<void>()
      const waiting = yield* Effect.forEach(Array.from({ length: 100 }), () => cold.openFor("acme", place, sealed), {
        concurrency: 100
      }).pipe(Effect.forkChild({ startImmediately: true }))
      yield* Deferred.succeed(gate.wait, undefined)
      assert.strictEqual((yield* Fiber.join(waiting)).length, 100)
      assert.strictEqual(calls.unwrap, 1)
      yield* cold.openFor("acme", place, sealed)
      yield* cold.sealFor("acme", place, secret)
      assert.strictEqual(calls.unwrap, 1)
    })
  )

  it.effect("a master key that fails is asked again next time, and the failure may be repeated", () =>
    Effect.gen(function* () {
      const { calls, replica } = yield* setup()
      const { sealed } = yield* (yield* replica).sealFor("acme", place, secret)
      const cold = yield* replica
      calls.failUnwraps = 1
      const error = yield* cold.openFor("acme", place, sealed).pipe(Effect.flip)
      assert.deepStrictEqual(
        [error._tag, error._tag === "TenantKeyUnavailable" && error.isRetryable],
        ["TenantKeyUnavailable", true]
      )
      assert.strictEqual(text(yield* cold.openFor("acme", place, sealed)), text(secret))
    })
  )

  it.effect("after so many records a tenant gets a new key, across replicas, and the old records open", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* setup({ CM_TENANT_KEY_USES_MAX: "2000" })
      const replicas = [yield* replica, yield* replica]
      const byKey = new Map<string, number>()
      const records: Array<Uint8Array> = []
      for (let i = 0; i < 5_000; i++) {
        const { keyId, sealed } = yield* replicas[i % 2]!.sealFor("acme", place, secret)
        byKey.set(keyId, (byKey.get(keyId) ?? 0) + 1)
        if (i % 500 === 0) records.push(sealed)
      }
      assert.isAtLeast(byKey.size, 3)
      for (const uses of byKey.values()) assert.isAtMost(uses, 2_000)
      assert.strictEqual(world.keys().filter(({ state }) => state === "active").length, 1)
      for (const record of records)
        assert.strictEqual(text(yield* (yield* replica).openFor("acme", place, record)), text(secret))
    })
  )

  it.effect("who seals many takes the count of all of them at once, and no more than the key has", () =>
    Effect.gen(function* () {
      const { replica, rotation } = yield* setup({ CM_TENANT_KEY_USES_MAX: "2000" })
      const keys = yield* replica
      const byKey = new Map<string, number>()
      /** Until the sealer is spent, or so many. */
      const sealed = Effect.fnUntraced(function* (records: number) {
        const sealer = yield* keys.sealerFor("acme", records)
        let count = 0
        for (; count < records && !sealer.isSpent(); count++) sealer.seal(place, secret)
        byKey.set(sealer.keyId, (byKey.get(sealer.keyId) ?? 0) + count)
        assert.isAtLeast(yield* rotation.addUses(sealer.keyId, 0), byKey.get(sealer.keyId)!)
        return count
      })
      assert.deepStrictEqual([yield* sealed(700), yield* sealed(700)], [700, 700])
      assert.strictEqual(byKey.size, 1)
      for (let records = 0; records < 5_000; ) records += yield* sealed(700)
      assert.isAtLeast(byKey.size, 3)
      for (const uses of byKey.values()) assert.isAtMost(uses, 2_000)
    })
  )

  it.effect("whoever seals, one or many at a time, no record is sealed that is not in the key's count", () =>
    Effect.gen(function* () {
      const usesMax = 1_256
      const { replica, rotation } = yield* setup({ CM_TENANT_KEY_USES_MAX: `${usesMax}` })
      const keys = yield* replica
      const byKey = new Map<string, number>()
      const counted = Effect.fnUntraced(function* (keyId: string) {
        const sealed = (byKey.get(keyId) ?? 0) + 1
        byKey.set(keyId, sealed)
        assert.isAtMost(sealed, usesMax)
        assert.isAtLeast(yield* rotation.addUses(keyId, 0), sealed)
      })
      /** As pages of a mover: another sealer where one is spent. */
      for (let page = 0; page < 6; page++) {
        let sealer = yield* keys.sealerFor("acme", 500)
        for (let n = 0; n < 500; n++) {
          if (sealer.isSpent()) sealer = yield* keys.sealerFor("acme", 500 - n)
          yield* counted(sealer.seal(place, secret).keyId)
        }
      }
      assert.isAtLeast(byKey.size, 3)
      /** Down to nothing, by one who seals many; then by those who seal one. */
      for (let round = 0; round < 3; round++) {
        const sealer = yield* keys.sealerFor("acme")
        while (!sealer.isSpent()) yield* counted(sealer.seal(place, secret).keyId)
        for (let n = 0; n < 3; n++) yield* counted((yield* keys.sealFor("acme", place, secret)).keyId)
      }
    })
  )

  it.effect("a key that is used now and then, for long, is not worn out by being held", () =>
    Effect.gen(function* () {
      const { replica } = yield* setup({ CM_TENANT_KEY_USES_MAX: "2000" })
      const keys = yield* replica
      const used = new Set<string>()
      for (let minute = 0; minute < 200; minute++) {
        used.add((yield* keys.sealFor("acme", place, secret)).keyId)
        yield* TestClock.adjust("1 minute")
      }
      assert.strictEqual(used.size, 1)
    })
  )

  it.effect("a key grows old, and a replica that holds it notices within seconds", () =>
    Effect.gen(function* () {
      const { replica } = yield* setup({ CM_TENANT_KEY_AGE_MAX: "10 days" })
      const keys = yield* sleepingAtLeast("1 hour")(replica)
      const { keyId } = yield* keys.sealFor("acme", place, secret)
      yield* TestClock.adjust("9 days")
      assert.strictEqual((yield* keys.sealFor("acme", place, secret)).keyId, keyId)
      yield* TestClock.adjust("1 day")
      assert.notStrictEqual((yield* keys.sealFor("acme", place, secret)).keyId, keyId)
    })
  )

  it.effect("when an operator rotates, every replica seals with the new key within seconds", () =>
    Effect.gen(function* () {
      const { replica, rotation } = yield* setup()
      const [one, two] = [yield* replica, yield* replica]
      const { keyId } = yield* one.sealFor("acme", place, secret)
      yield* two.sealFor("acme", place, secret)
      assert.isTrue(yield* rotation.demote(keyId))
      yield* TestClock.adjust("11 seconds")
      const [a, b] = [yield* one.sealFor("acme", place, secret), yield* two.sealFor("acme", place, secret)]
      assert.notStrictEqual(a.keyId, keyId)
      assert.strictEqual(a.keyId, b.keyId)
    })
  )

  it.effect("no more keys stay in memory than the limit, and a forgotten one is fetched again", () =>
    Effect.gen(function* () {
      const { calls, replica } = yield* setup({ CM_TENANT_KEYS_WARM: "16" })
      const keys = yield* replica
      const sealed = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => `tenant-${i}`),
        (tenant) => Effect.map(keys.sealFor(tenant, place, secret), (record) => ({ tenant, ...record }))
      )
      calls.unwrap = 0
      for (const record of sealed.slice(-16)) yield* keys.openFor(record.tenant, place, record.sealed)
      assert.strictEqual(calls.unwrap, 0)
      yield* keys.openFor(sealed[0]!.tenant, place, sealed[0]!.sealed)
      assert.strictEqual(calls.unwrap, 1)
    })
  )

  it.effect("a record of a key that is not there, or of nobody, is not openable, and no fault", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* setup()
      const keys = yield* replica
      const { sealed } = yield* keys.sealFor("acme", place, secret)
      world.tables.dataKeys.clear()
      const other = yield* replica
      for (const record of [sealed, new Uint8Array(0), Buffer.alloc(200)]) {
        assert.strictEqual((yield* other.openFor("acme", place, record).pipe(Effect.flip))._tag, "NotOpenable")
      }
    })
  )

  it.effect("without its store it says so, and goes on with warm keys", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* setup()
      const keys = yield* replica
      const { sealed } = yield* keys.sealFor("acme", place, secret)
      world.state.down = true
      assert.strictEqual(text(yield* keys.openFor("acme", place, sealed)), text(secret))
      assert.isTrue((yield* keys.sealerFor("other").pipe(Effect.flip)).isRetryable)
      const cold = yield* replica
      assert.strictEqual((yield* cold.openFor("acme", place, sealed).pipe(Effect.flip))._tag, "TenantKeyUnavailable")
    })
  )

  it.effect("a key that was destroyed leaves memory soon, a removed tenant's at once", () =>
    Effect.gen(function* () {
      const { calls, replica, world } = yield* setup()
      const [keys, other] = [yield* replica, yield* replica]
      const { keyId, sealed } = yield* keys.sealFor("acme", place, secret)
      const kept = yield* keys.sealFor("beta", place, secret)
      yield* other.openFor("acme", place, sealed)
      const before = calls.unwrap
      yield* keys.openFor("acme", place, sealed)
      assert.strictEqual(calls.unwrap, before, "warm")
      yield* keys.forget("acme")
      yield* keys.openFor("acme", place, sealed)
      yield* keys.openFor("beta", place, kept.sealed)
      assert.strictEqual(calls.unwrap, before + 1, "opened anew, and nobody else's")
      const key = world.tables.dataKeys.get(keyId)!
      world.put({ ...key, state: "retired", wrapped: new Uint8Array(0) })
      yield* keys.forget("acme")
      assert.strictEqual((yield* Effect.flip(keys.openFor("acme", place, sealed)))._tag, "NotOpenable")
      yield* other.openFor("acme", place, sealed)
      yield* TestClock.adjust(LiveTenantKeys.dropEvery)
      assert.strictEqual((yield* Effect.flip(other.openFor("acme", place, sealed)))._tag, "NotOpenable")
      assert.strictEqual(text(yield* keys.openFor("beta", place, kept.sealed)), text(secret))
    })
  )
})
