/**
 * Verifies R-SEC-47: the fingerprint key is followed, and what was fingerprinted before is compared as long as it must be:
 * remembered answers for their day, stored secrets for as long as the key is kept.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Sealing from "../../../src/actors/credentials/Sealing.ts"
import * as RotationPlan from "../../../src/crypto/RotationPlan.ts"
import { operator, type RotationReplica, rotationWorld, withKey } from "../../support/rotationWorld.ts"

const settings = { CM_KEYS_RELOAD: "4 seconds", CM_KEYS_ACTIVATION: "20 seconds" }
const fingerprint = { purpose: "fingerprint" as const, force: true }
const seal = { purpose: "seal" as const, force: true }
const dayMs = 86_400_000

const fingerprintWorld = Effect.gen(function* () {
  const all = yield* rotationWorld(settings)
  const one = yield* all.replica
  yield* TestClock.adjust("1 minute")
  const keysOf = (purpose: string) => all.world.keys().filter((key) => key.purpose === purpose)
  /** All keys are so much older. */
  const age = (ms: number) => {
    for (const key of all.world.keys()) all.world.put({ ...key, createdAt: key.createdAt - ms })
  }
  return { ...all, one, keysOf, age }
})
/** Something that is done once for an idempotency key. */
const once = ({ keys }: RotationReplica, key: string, body = "") =>
  keys.rotateKeys(withKey(key, "keys.rotate", body), seal)

describe("rotating the fingerprint key", () => {
  it.effect("what is remembered for an idempotency key is found before, during and after", () =>
    Effect.gen(function* () {
      const { keysOf, one, replica } = yield* fingerprintWorld
      const two = yield* replica
      const first = yield* once(one, "a")
      assert.strictEqual(first.keyIds.length, 1)
      yield* TestClock.adjust("1 minute")
      const { keyIds, tenants } = yield* one.keys.rotateKeys(operator, fingerprint)
      assert.deepStrictEqual([keyIds.length, tenants], [1, 0])
      for (let second = 0; second < 60; second += 5) {
        // Remembered by whichever replica, under whichever key it writes with by then.
        yield* once(second % 2 === 0 ? one : two, `b${second}`)
        for (const asked of [one, two, yield* replica]) {
          const before = keysOf("seal").length
          assert.deepStrictEqual(yield* once(asked, "a"), first, `after ${second} s`)
          yield* once(asked, `b${second}`)
          assert.strictEqual(keysOf("seal").length, before, `done twice after ${second} s`)
          const reused = yield* once(asked, "a", "another body").pipe(Effect.flip)
          assert.strictEqual(reused._tag, "IdempotencyKeyReused")
        }
        yield* TestClock.adjust("5 seconds")
      }
      assert.strictEqual(one.keyring.fingerprintAll("x").length, 2)
      assert.notStrictEqual(one.keyring.fingerprintAll("x")[0], one.keyring.fingerprintAll("x")[1])
      assert.strictEqual(one.keyring.fingerprint("x"), two.keyring.fingerprint("x"))
    })
  )

  it.effect("the list of keys counts what may be found by each: what was remembered while it was written with", () =>
    Effect.gen(function* () {
      const { keysOf, one } = yield* fingerprintWorld
      const rows = Effect.gen(function* () {
        const { content } = yield* one.keys.listKeys({ limit: 100, after: null })
        return content.filter(({ purpose }) => purpose === "fingerprint").map(({ rows }) => rows)
      })
      assert.deepStrictEqual(yield* rows, [0])
      yield* once(one, "a")
      assert.deepStrictEqual(yield* rows, [1])
      yield* TestClock.adjust("1 minute")
      yield* one.keys.rotateKeys(operator, fingerprint)
      yield* TestClock.adjust("5 seconds")
      // By the old key still.
      yield* once(one, "b")
      yield* TestClock.adjust("1 minute")
      yield* once(one, "c")
      assert.deepStrictEqual(yield* rows, [2, 2], "nobody knows of the second which of the two it was")
      yield* TestClock.adjust("2 days")
      yield* one.keys.retireKey(keysOf("fingerprint")[0]!.keyId, operator)
      assert.strictEqual((yield* rows)[0], 0, "nothing is found by it any more")
    })
  )

  it.effect("a replica that may not know the key another one remembers by does nothing a second time: 503", () =>
    Effect.gen(function* () {
      const { keysOf, one, replica, world } = yield* fingerprintWorld
      yield* one.keys.rotateKeys(operator, fingerprint)
      world.state.down = true
      // `one` never learns of the new key.
      yield* TestClock.adjust("1 minute")
      const before = keysOf("seal").length
      const refused = yield* once(one, "a").pipe(Effect.flip)
      assert.deepInclude(refused, { _tag: "Unavailable", part: "keys", committed: false })
      assert.strictEqual(keysOf("seal").length, before)
      world.state.down = false
      const two = yield* replica
      const done = yield* once(two, "a")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* once(one, "a"), done)
    })
  )

  it.effect("a value that did not change keeps its fingerprint; one that did gets the new key's", () =>
    Effect.gen(function* () {
      const { age, one } = yield* fingerprintWorld
      const sealed = (secret: Record<string, string>, ...before: ReadonlyArray<Readonly<Record<string, string>>>) =>
        Effect.map(one.tenantKeys.sealerFor("acme"), (sealer) =>
          Sealing.sealerOf(one.keyring)("acme", sealer).seal("0193b0a0-0000-7000-8000-000000000001", 1, secret, before)
        )
      const { fingerprints: old } = yield* sealed({ user: "u", password: "p" })
      yield* one.keys.rotateKeys(operator, fingerprint)
      yield* TestClock.adjust("1 minute")
      const { fingerprints: next } = yield* sealed({ user: "u", password: "q" }, old)
      assert.strictEqual(next.user, old.user)
      assert.notStrictEqual(next.password, old.password)
      const { fingerprints: back } = yield* sealed({ user: "u", password: "p" }, next, old)
      assert.deepStrictEqual(back, old, "that it came back is seen")
      const { fingerprints: fresh } = yield* sealed({ user: "u", password: "p" })
      assert.notStrictEqual(fresh.user, old.user)
      // When the old key is gone, all that differs is that it looks changed.
      age(RotationPlan.comparedAfterMs)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* one.erasure.retire, 1)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* sealed({ user: "u", password: "p" }, old)).fingerprints, fresh)
    })
  )

  it.effect(
    "the old key may be retired when no remembered answer is found by it, and goes by itself after 400 days",
    () =>
      Effect.gen(function* () {
        const { age, keysOf, one } = yield* fingerprintWorld
        const [old] = keysOf("fingerprint")
        yield* one.keys.rotateKeys(operator, fingerprint)
        yield* TestClock.adjust("1 minute")
        const retire = one.keys.retireKey(old!.keyId, operator)
        age(dayMs - 120_000)
        assert.deepInclude(yield* Effect.flip(retire), { _tag: "KeyInUse", rows: 0, why: "compared" })
        assert.strictEqual(yield* one.erasure.retire, 0)
        age(399 * dayMs)
        assert.strictEqual(yield* one.erasure.retire, 0)
        yield* retire
        assert.strictEqual(keysOf("fingerprint").find(({ keyId }) => keyId === old!.keyId)?.state, "retired")
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(one.keyring.fingerprintAll("x").length, 1)
      })
  )

  it.effect("is done only when it is named, and waits while four are compared with", () =>
    Effect.gen(function* () {
      const { keysOf, one } = yield* fingerprintWorld
      yield* one.keys.rotateKeys(operator)
      assert.strictEqual(keysOf("fingerprint").length, 1)
      for (let count = 2; count <= RotationPlan.lookedUpMax; count++) {
        assert.strictEqual((yield* one.keys.rotateKeys(operator, fingerprint)).keyIds.length, 1)
        yield* TestClock.adjust("1 minute")
      }
      const { keyIds, notRotated } = yield* one.keys.rotateKeys(operator, fingerprint)
      assert.deepStrictEqual([keyIds, notRotated.map(({ why }) => why)], [[], ["crowded"]])
    })
  )
})
