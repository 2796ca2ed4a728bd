/**
 * Verifies R-SEC-4, R-SEC-46: the token hash key is rotated as often as one likes, and a look-up costs what it cost after the
 * first time. Tokens that were asked for in between and tokens that nobody ever asked for are the same to it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as HashKeys from "../../../src/crypto/HashKeys.ts"
import * as LocalMasterKey from "../../../src/crypto/LocalMasterKey.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import * as RotationPlan from "../../../src/crypto/RotationPlan.ts"
import * as RowTags from "../../../src/crypto/RowTags.ts"
import * as ServiceKeys from "../../../src/crypto/ServiceKeys.ts"
import type { Token } from "../../../src/domain/Token.ts"
import {
  operator,
  type RotationReplica,
  type RotationWorld,
  rotationWorld,
  turns
} from "../../support/rotationWorld.ts"
import { aToken, hex } from "../../support/storeFixtures.ts"

const rotations = 100
const settings = {
  CM_KEYS_RELOAD: "4 seconds",
  CM_KEYS_ACTIVATION: "20 seconds",
  CM_KEYS_AGE_MIN: "1 day",
  CM_KEYS_ERASE_AFTER: "1 minute"
}
type World = RotationWorld["world"]

const put = (world: World, token: Token): void => {
  const before = world.tables.tokens.get(token.tokenId)
  if (before !== undefined) world.tables.tokenByHash.delete(hex(before.hash))
  world.tables.tokens.set(token.tokenId, token)
  world.tables.tokenByHash.set(hex(token.hash), token.tokenId)
}
const plant = (world: World, { keyring }: RotationReplica, value: string): string => {
  const { hash, keyId } = keyring.hashToken("app", value)
  const token = aToken("acme", "app", { hash, hashKeyId: keyId })
  put(world, { ...token, mac: keyring.rowTag(RowTags.ofToken(token)) })
  return token.tokenId
}
/** What a validation finds: the row, and whether it is believed. */
const found = (world: World, { keyring }: RotationReplica, value: string): string | undefined => {
  for (const { hash } of keyring.hashTokenAll("app", value)) {
    const token = world.tables.tokens.get(world.tables.tokenByHash.get(hex(hash)) ?? "")
    if (token !== undefined && keyring.rowHolds(token.mac, RowTags.ofToken(token))) {
      return `${token.tokenId} ${token.status}`
    }
  }
  return undefined
}
/** What a look-up that misses comes to: of the keys that are alive, as they are stored. */
const stepsOf = (world: World, master: RotationWorld["master"]) =>
  Effect.gen(function* () {
    const alive = world.keys().filter(({ purpose, state }) => purpose === "token-hash" && state !== "retired")
    const opened = yield* Effect.forEach(alive, (key) =>
      Effect.map(ServiceKeys.open(key), ({ material }) => ({ keyId: key.keyId, material }))
    ).pipe(Effect.provideService(MasterKey, LocalMasterKey.make(master.keys)))
    return HashKeys.make(opened).steps
  })

describe("a hundred rotations of the token hash key", () => {
  it.effect(
    "every token is found, idle ones and asked for ones; look-ups cost no more; old keys go by themselves",
    () =>
      Effect.gen(function* () {
        const { audit, master, replica, world } = yield* rotationWorld(settings)
        const one = yield* replica
        yield* TestClock.adjust("1 minute")
        const tokens = new Map<string, string>()
        for (const name of ["idle", "asked for", "revoked later"]) tokens.set(name, plant(world, one, name))
        const revoked = tokens.get("revoked later")!
        for (let rotation = 1; rotation <= rotations; rotation++) {
          const { keyIds, notRotated } = yield* one.keys.rotateKeys(operator, { purpose: "token-hash", force: true })
          assert.deepStrictEqual([keyIds.length, notRotated], [1, []], `rotation ${rotation}`)
          tokens.set(`of ${rotation}`, plant(world, one, `of ${rotation}`))
          yield* TestClock.adjust("45 seconds")
          yield* turns(one)
          yield* one.erasure.retire
          assert.strictEqual(found(world, one, "asked for"), `${tokens.get("asked for")} Active`)
          const { covers, hmacs } = yield* stepsOf(world, master)
          assert.strictEqual(hmacs, 1, `HMACs of a miss after rotation ${rotation}`)
          assert.isAtMost(covers, RotationPlan.lookedUpMax, `covers of a miss after rotation ${rotation}`)
          if (rotation === 50) {
            const token = { ...world.tables.tokens.get(revoked)!, status: "Revoked" as const }
            put(world, { ...token, mac: one.keyring.rowTag(RowTags.ofToken(token)) })
          }
        }
        const fresh = yield* replica
        for (const [name, tokenId] of tokens) {
          const status = name === "revoked later" ? "Revoked" : "Active"
          for (const asked of [one, fresh]) assert.strictEqual(found(world, asked, name), `${tokenId} ${status}`, name)
        }
        assert.isUndefined(found(world, one, "never provisioned"))

        // A day later nothing is left of the keys before, but that they were.
        for (const key of world.keys()) world.put({ ...key, createdAt: key.createdAt - RotationPlan.retiredAfterMs })
        yield* one.erasure.retire
        const retired = audit().filter(({ action }) => action === "keys.retired")
        assert.strictEqual(retired.length, rotations, "each is told")
        assert.isTrue(retired.every(({ actor }) => actor === "sweep"))
        yield* TestClock.adjust("2 minutes")
        yield* turns(one)
        const keys = world.keys().filter(({ purpose }) => purpose === "token-hash")
        assert.strictEqual(keys.length, rotations + 1)
        assert.deepStrictEqual(
          keys.filter(({ state }) => state !== "retired").map(({ state }) => state),
          ["active"]
        )
        assert.strictEqual(keys.filter(({ wrapped }) => wrapped.byteLength > 0).length, 1, "material is erased")
        assert.deepStrictEqual(yield* stepsOf(world, master), { hmacs: 1, covers: 1 })
        const last = yield* replica
        for (const [name, tokenId] of tokens) {
          const status = name === "revoked later" ? "Revoked" : "Active"
          assert.strictEqual(found(world, last, name), `${tokenId} ${status}`, name)
        }
      }),
    120_000
  )

  it.effect("what leaked before a rotation tells nothing of a row after it: the layers alone make no stored hash", () =>
    Effect.gen(function* () {
      const { master, replica, world } = yield* rotationWorld(settings)
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const tokenId = plant(world, one, "guessable")
      const leaked = yield* Effect.forEach(
        world.keys().filter(({ purpose }) => purpose === "token-hash"),
        (key) => Effect.map(ServiceKeys.open(key), ({ material }) => ({ keyId: key.keyId, material }))
      ).pipe(Effect.provideService(MasterKey, LocalMasterKey.make(master.keys)))
      const attacker = HashKeys.make(leaked)
      const guess = () => attacker.hashAll([leaked[0]!.keyId], "app\u0000guessable").map(({ hash }) => hex(hash))[0]
      assert.strictEqual(guess(), hex(world.tables.tokens.get(tokenId)!.hash))
      yield* one.keys.rotateKeys(operator, { purpose: "token-hash", force: true })
      yield* TestClock.adjust("1 minute")
      yield* turns(one)
      const stored = hex(world.tables.tokens.get(tokenId)!.hash)
      assert.notStrictEqual(stored, guess())
      assert.notInclude(stored, guess()!.slice(0, 16))
      assert.strictEqual(found(world, one, "guessable"), `${tokenId} Active`)
    })
  )
})
