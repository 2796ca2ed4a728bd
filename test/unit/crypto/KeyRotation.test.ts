// Verifies R-SEC-4.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import { AuditSigner } from "../../../src/crypto/AuditSigner.ts"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import * as KeyMover from "../../../src/crypto/KeyMover.ts"
import * as KeyRotation from "../../../src/crypto/KeyRotation.ts"
import { Keyring } from "../../../src/crypto/Keyring.ts"
import * as LiveTenantKeys from "../../../src/crypto/LiveTenantKeys.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import * as RotationPlan from "../../../src/crypto/RotationPlan.ts"
import * as RowTags from "../../../src/crypto/RowTags.ts"
import { secretPurpose, TenantKeys, type TenantKeyUnavailable } from "../../../src/crypto/TenantKeys.ts"
import type { Token } from "../../../src/domain/Token.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { KeyRotationStore, neededRowsMax, sealedPageBytesMax } from "../../../src/store/KeyRotationStore.ts"
import { claimMsMax, Sweeps } from "../../../src/store/Sweeps.ts"
import { credentialRow, nextId, versionRow } from "../../support/credentialRows.ts"
import {
  fileKeys,
  operator,
  type RotationReplica,
  type RotationWorld,
  rotationWorld,
  turns
} from "../../support/rotationWorld.ts"
import { aToken, hex } from "../../support/storeFixtures.ts"

type World = RotationWorld["world"]

/** The longest that there may be. */
const anothersClaim = Effect.map(Clock.currentTimeMillis, (now) => ({
  process: "another",
  expiresAt: now + claimMsMax
}))

const tagged = ({ rowTag }: RotationReplica["keyring"], token: Token): Token => ({
  ...token,
  mac: rowTag(RowTags.ofToken(token))
})
const plantToken = (world: World, { keyring }: RotationReplica, value: string) => {
  const { hash, keyId } = keyring.hashToken("app", value)
  const token = tagged(keyring, aToken("acme", "app", { hash, hashKeyId: keyId }))
  world.tables.tokens.set(token.tokenId, token)
  world.tables.tokenByHash.set(hex(hash), token.tokenId)
  return token.tokenId
}
const found = (world: World, { keyring }: RotationReplica, value: string) =>
  keyring
    .hashTokenAll("app", value)
    .map(({ hash }) => world.tables.tokenByHash.get(hex(hash)))
    .find((tokenId) => tokenId !== undefined)

const plantSecret = Effect.fnUntraced(function* (
  world: World,
  { tenantKeys }: RotationReplica,
  tenantId: string,
  text: string
) {
  const credential = credentialRow({ tenantId, credentialId: nextId(), serviceName: nextId().slice(-12) })
  const place = { credentialId: credential.credentialId, version: credential.secretVersion, purpose: secretPurpose }
  const { keyId, sealed } = yield* tenantKeys.sealFor(tenantId, place, Buffer.from(text))
  const version = versionRow(credential, { sealed, keyId })
  world.tables.credentials.apply({
    inserted: [credential],
    updated: [],
    deleted: [],
    versions: [version],
    services: []
  })
  return { tenantId, place, text }
})
const plantSecretOf = (world: World, one: RotationReplica, text: string) => plantSecret(world, one, "acme", text)
const opened = Effect.fnUntraced(function* (
  world: World,
  { tenantKeys }: RotationReplica,
  secret: Effect.Success<ReturnType<typeof plantSecret>>
) {
  const version = world.tables.credentials.versionsOf(secret.place.credentialId)[0]!
  return Buffer.from(yield* tenantKeys.openFor(secret.tenantId, secret.place, version.sealed!)).toString()
})

describe("a list of keys", () => {
  it.effect("counts the rows of the keys that it answers, and so many of them as are told apart", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      for (let n = 0; n <= neededRowsMax; n++) plantToken(world, one, `t${n}`)
      const { content } = yield* one.keys.listKeys({ limit: 100, after: null })
      assert.strictEqual(content.find(({ purpose }) => purpose === "token-hash")?.rows, neededRowsMax)

      const counted: Array<string> = []
      // No row says of a fingerprint key that it needs it.
      const named = content.filter(({ purpose }) => purpose !== "fingerprint")
      const store = {
        listKeys: ({ limit }: { readonly limit: number }) => Effect.succeed(named.slice(0, limit)),
        countRows: (keyId: string) => Effect.sync(() => counted.push(keyId))
      }
      const { list } = yield* KeyRotation.make.pipe(
        Effect.provideService(KeyRotationStore, store as never),
        Effect.provideService(MasterKey, {} as never),
        Effect.provideService(AuditSigner, {} as never),
        Effect.provideService(CryptoConfig, { keysActivation: Duration.zero } as never)
      )
      const [first, second] = named.map(({ keyId }) => keyId)
      assert.strictEqual((yield* list({ limit: 1, after: null })).next, first)
      assert.isDefined(second)
      assert.deepStrictEqual(counted, [first])
      assert.isNull((yield* list({ limit: named.length, after: null })).next)
    })
  )
})

describe("key rotation", () => {
  it.effect("old keys stay readable, rows follow, and then the old keys can go", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const ids = ["t1", "t2", "t3"].map((value) => plantToken(world, one, value))
      const secrets = yield* Effect.forEach(["acme", "acme", "other"], (tenant) =>
        plantSecret(world, one, tenant, `of ${tenant}`)
      )
      const { content: before } = yield* one.keys.listKeys({ limit: 100, after: null })
      const oldIds = before
        .filter(({ purpose }) => ["token-hash", "seal", "tenant-data"].includes(purpose))
        .map(({ keyId }) => keyId)

      const rotated = yield* one.keys.rotateKeys(operator)
      assert.deepStrictEqual([rotated.keyIds.length, rotated.tenants], [2, 2])
      assert.deepStrictEqual(yield* one.keys.keysStatus(), { state: "running", total: 6, done: 0, etaSeconds: null })
      for (const [i, value] of ["t1", "t2", "t3"].entries()) assert.strictEqual(found(world, one, value), ids[i])
      for (const keyId of oldIds) {
        assert.strictEqual((yield* one.keys.retireKey(keyId, operator).pipe(Effect.flip))._tag, "KeyInUse")
      }
      yield* TestClock.adjust("1 minute")
      yield* turns(one)
      assert.deepStrictEqual(yield* one.keys.keysStatus(), { state: "idle", total: 6, done: 6, etaSeconds: null })
      for (const [i, value] of ["t1", "t2", "t3"].entries()) assert.strictEqual(found(world, one, value), ids[i])
      for (const secret of secrets) assert.strictEqual(yield* opened(world, one, secret), secret.text)
      for (const keyId of oldIds) yield* one.keys.retireKey(keyId, operator)

      const { content: after } = yield* one.keys.listKeys({ limit: 100, after: null })
      for (const key of after) {
        assert.strictEqual(key.state, oldIds.includes(key.keyId) ? "retired" : "active")
        if (oldIds.includes(key.keyId)) assert.strictEqual(key.rows, 0)
      }
      const fresh = yield* replica
      for (const [i, value] of ["t1", "t2", "t3"].entries()) assert.strictEqual(found(world, fresh, value), ids[i])
      for (const secret of secrets) assert.strictEqual(yield* opened(world, fresh, secret), secret.text)
      assert.strictEqual(fresh.keyring.hashTokenAll("app", "t1").length, 1, "look-ups know nothing of the old key")
    })
  )

  it.effect("the hash of a token nobody used follows through many rotations without its value", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const never = plantToken(world, one, "never used")
      for (let rotation = 0; rotation < 5; rotation++) {
        assert.strictEqual((yield* one.keys.rotateKeys(operator)).keyIds.length, 2)
        yield* TestClock.adjust("1 minute")
        yield* turns(one)
        assert.strictEqual((yield* one.keys.keysStatus()).state, "idle")
        for (const key of yield* world.rotation.retiringKeys(10)) yield* one.keys.retireKey(key.keyId, operator)
        assert.strictEqual(found(world, one, "never used"), never)
      }
      const active = yield* world.rotation.activeKey("token-hash", null)
      assert.strictEqual(world.tables.tokens.get(never)?.hashKeyId, active?.keyId)
    })
  )

  it.effect("no row moves before every replica must know the new key", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const token = plantToken(world, one, "t")
      const before = world.tables.tokens.get(token)!
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("15 seconds")
      yield* turns(one)
      assert.deepStrictEqual(world.tables.tokens.get(token), before)
    })
  )

  it.effect("repeated or asked of two replicas at once, it rotates once", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const [one, two] = [yield* replica, yield* replica]
      yield* TestClock.adjust("1 minute")
      yield* Effect.all([one.keys.rotateKeys(operator), two.keys.rotateKeys(operator)], { concurrency: 2 })
      assert.deepStrictEqual(yield* one.keys.rotateKeys(operator), { keyIds: [], tenants: 0, notRotated: [] })
      assert.strictEqual(world.keys().filter(({ purpose }) => purpose === "token-hash").length, 2)
      assert.strictEqual(world.keys().filter(({ purpose }) => purpose === "seal").length, 2)
    })
  )

  it.effect("a mover that dies leaves nothing half done, and another goes on with what is left", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld({ CM_KEYS_MOVE_RATE: "10" })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const values = Array.from({ length: 95 }, (_, i) => `value-${i}`)
      const ids = values.map((value) => plantToken(world, one, value))
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      const scope = yield* Scope.make()
      yield* Effect.forkIn(one.turn, scope, { startImmediately: true })
      yield* TestClock.adjust("3500 millis")
      yield* Scope.close(scope, Exit.void)
      const status = yield* one.keys.keysStatus()
      assert.strictEqual(status.state, "running")
      assert.isAbove(status.done, 20)
      assert.isBelow(status.done, 60, "no faster than the rate")
      assert.isNumber(status.etaSeconds)

      const two = yield* replica
      yield* two.turn
      assert.strictEqual((yield* two.keys.keysStatus()).done, status.done, "the claim of the dead one still runs")
      yield* TestClock.adjust("20 seconds")
      yield* turns(two)
      assert.strictEqual((yield* two.keys.keysStatus()).state, "idle")
      for (const [i, value] of values.entries()) assert.strictEqual(found(world, two, value), ids[i])
      const keys = new Set(Array.from(world.tables.tokens.values(), ({ hashKeyId }) => hashKeyId))
      assert.strictEqual(keys.size, 1)
    })
  )

  it.effect(
    "the keys of however many tenants are followed in one turn, however young they are",
    () =>
      Effect.gen(function* () {
        const { replica, world } = yield* rotationWorld()
        const one = yield* replica
        const secrets = yield* Effect.forEach(
          Array.from({ length: 1_050 }, (_, n) => `tenant-${n}`),
          (tenant) => plantSecret(world, one, tenant, tenant)
        )
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* one.keys.rotateKeys(operator)).tenants, secrets.length)
        yield* TestClock.adjust("1 minute")
        yield* turns(one)
        assert.deepStrictEqual(yield* one.keys.keysStatus(), {
          state: "idle",
          total: secrets.length,
          done: secrets.length,
          etaSeconds: null
        })
        for (const secret of [secrets[0]!, secrets.at(-1)!]) {
          assert.strictEqual(yield* opened(world, one, secret), secret.text)
        }
      }),
    120_000
  )

  it.effect(
    "a token whose row was changed outside of the service stays under its key, and is made good by no move",
    () =>
      Effect.gen(function* () {
        const { replica, world } = yield* rotationWorld()
        const one = yield* replica
        yield* TestClock.adjust("1 minute")
        const [changed, good] = [plantToken(world, one, "changed"), plantToken(world, one, "good")]
        const row = (tokenId: string) => world.tables.tokens.get(tokenId)!
        world.tables.tokens.set(changed, { ...row(changed), endpointId: "mine" })
        const before = row(changed)
        yield* one.keys.rotateKeys(operator)
        yield* TestClock.adjust("1 minute")
        yield* turns(one, 3)
        assert.deepStrictEqual(row(changed), before)
        assert.notStrictEqual(row(good).hashKeyId, before.hashKeyId)
        assert.isTrue(one.keyring.rowHolds(row(good).mac, RowTags.ofToken(row(good))))
      })
  )

  it.effect("a mover that is another's is looked at, and not asked for", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const sweeps = {
        hold: () => Effect.sync(() => asked.push("look") === 0),
        claim: () => Effect.sync(() => asked.push("claim") > 0)
      }
      const { keysActivation, keysErase, keysMoveRate } = yield* CryptoConfig.config
      const { turn } = yield* KeyMover.make.pipe(
        Effect.provideService(CryptoConfig, { keysActivation, keysErase, keysMoveRate } as never),
        Effect.provideService(Replica, replicaOf("cm", "two")),
        Effect.provideService(Sweeps, sweeps as never),
        Effect.provideService(KeyRotationStore, {} as never),
        Effect.provideService(MasterKey, {} as never),
        Effect.provideService(TenantKeys, {} as never),
        Effect.provideService(Keyring, {} as never)
      )
      yield* turn
      assert.deepStrictEqual(asked, ["look"])
    })
  )

  it.effect("a mover whose claim went to another one stops before its claim would have run out", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld({ CM_KEYS_MOVE_RATE: "10" })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      for (let n = 0; n < 400; n++) plantToken(world, one, `value-${n}`)
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      const moving = yield* Effect.forkChild(one.turn, { startImmediately: true })
      yield* TestClock.adjust("1500 millis")
      assert.isAbove((yield* one.keys.keysStatus()).done, 0)
      for (const name of world.tables.sweeps.keys()) {
        world.tables.sweeps.set(name, yield* anothersClaim)
      }
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(moving)
      // Ten a second, for fifteen seconds at most.
      assert.isBelow((yield* one.keys.keysStatus()).done, 200)
    })
  )

  it.effect("a secret that does not open stays, keeps its key, and holds up no other", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld({ CM_KEYS_MOVE_RATE: "2" })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const secrets = yield* Effect.forEach(["1", "2", "3", "4", "5", "6"], (text) =>
        plantSecret(world, one, "acme", text)
      )
      const tables = world.tables.credentials
      for (const bad of [secrets[0]!, secrets[1]!, secrets[2]!]) {
        const version = tables.versionsOf(bad.place.credentialId)[0]!
        const sealed = Buffer.from(version.sealed!)
        sealed[sealed.length - 1]! ^= 1
        tables.apply({ inserted: [], updated: [], deleted: [], services: [], versions: [{ ...version, sealed }] })
      }
      const old = tables.versionsOf(secrets[0]!.place.credentialId)[0]!.keyId!
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      yield* turns(one, 3)
      assert.deepStrictEqual(
        secrets.map(({ place }) => tables.versionsOf(place.credentialId)[0]!.keyId === old),
        [true, true, true, false, false, false]
      )
      for (const good of secrets.slice(3)) assert.strictEqual(yield* opened(world, one, good), good.text)
      const error = yield* one.keys.retireKey(old, operator).pipe(Effect.flip)
      assert.deepStrictEqual([error._tag, error._tag === "KeyInUse" && error.rows], ["KeyInUse", 3])
    })
  )

  it.effect("long secrets that do not open, more than a page holds, hold up none that stands behind them", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const secrets = yield* Effect.forEach(["1", "2", "3", "4", "5"], (text) => plantSecret(world, one, "acme", text))
      const tables = world.tables.credentials
      const inOrder = secrets.toSorted((a, b) => (a.place.credentialId < b.place.credentialId ? -1 : 1))
      const good = inOrder.pop()!
      const versionOf = ({ place }: typeof good) => tables.versionsOf(place.credentialId)[0]!
      const sealed = new Uint8Array(sealedPageBytesMax / inOrder.length).fill(1)
      const versions = inOrder.map((bad) => ({ ...versionOf(bad), sealed }))
      tables.apply({ inserted: [], updated: [], deleted: [], services: [], versions })
      const old = versionOf(good).keyId
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      yield* turns(one, 1)
      assert.deepStrictEqual(
        [...inOrder, good].map((secret) => versionOf(secret).keyId === old),
        [true, true, true, true, false]
      )
      assert.strictEqual(yield* opened(world, one, good), good.text)
    })
  )

  it.effect("a row that comes behind the mover's place while it moves follows in the same turn", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld({ CM_KEYS_MOVE_RATE: "2" })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      for (let n = 0; n < 7; n++) plantToken(world, one, `t${n}`)
      for (let n = 0; n < 7; n++) yield* plantSecret(world, one, "acme", `s${n}`)
      const tables = world.tables
      const first = Array.from(tables.tokens.values()).toSorted((a, b) => (a.tokenId < b.tokenId ? -1 : 1))[0]!
      tables.tokens.delete(first.tokenId)
      const version = tables.credentials
        .allVersions()
        .toSorted((a, b) => (a.credentialId < b.credentialId ? -1 : 1))[0]!
      const withheld = tables.credentials.get(version.credentialId)!
      const put = (deleted: ReadonlyArray<string>) =>
        tables.credentials.apply({
          inserted: deleted.length > 0 ? [] : [withheld],
          updated: [],
          deleted,
          versions: deleted.length > 0 ? [] : [version],
          services: []
        })
      put([withheld.credentialId])
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      const fiber = yield* Effect.forkChild(one.turn, { startImmediately: true })
      let movedBefore = 0
      for (let step = 0; step < 60 && fiber.pollUnsafe() === undefined; step++) {
        yield* TestClock.adjust("500 millis")
        const { done } = yield* one.keys.keysStatus()
        // In the middle of the walk over the one kind, and over the other.
        if (movedBefore < 3 && done >= 3) tables.tokens.set(first.tokenId, first)
        if (movedBefore < 10 && done >= 10) put([])
        movedBefore = done
      }
      assert.isDefined(fiber.pollUnsafe(), "the turn ends")
      assert.strictEqual(new Set(Array.from(tables.tokens.values(), ({ hashKeyId }) => hashKeyId)).size, 1)
      assert.strictEqual(tables.tokens.size, 7)
      const keys = tables.credentials.allVersions().map(({ keyId }) => keyId)
      assert.deepStrictEqual([keys.length, new Set(keys).size], [7, 1])
    })
  )

  it.effect("who moves slowly keeps the claim, and stops soon when it is another's all the same", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld({ CM_KEYS_MOVE_RATE: "2" })
      const [one, two] = [yield* replica, yield* replica]
      yield* TestClock.adjust("1 minute")
      for (let n = 0; n < 200; n++) plantToken(world, one, `t${n}`)
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      const done = Effect.map(one.keys.keysStatus(), (status) => status.done)
      const fiber = yield* Effect.forkChild(one.turn, { startImmediately: true })
      yield* TestClock.adjust("16 seconds")
      const before = yield* done
      yield* two.turn
      assert.strictEqual(yield* done, before, "one has it still")
      assert.strictEqual(world.tables.sweeps.size, 1)
      for (const sweep of world.tables.sweeps.keys()) {
        world.tables.sweeps.set(sweep, yield* anothersClaim)
      }
      yield* TestClock.adjust("10 seconds")
      assert.isDefined(fiber.pollUnsafe(), "one has stopped")
      assert.isAtMost((yield* done) - before, 14, "a claim is believed for a third of its time, and not longer")
    })
  )

  it.effect("what is sealed while moving is counted before it is", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const count = LiveTenantKeys.usesBlock * 3 + 10
      for (let n = 0; n < count; n++) yield* plantSecret(world, one, "acme", `s${n}`)
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      yield* turns(one)
      const keys = new Set(world.tables.credentials.allVersions().map(({ keyId }) => keyId))
      assert.strictEqual(keys.size, 1)
      for (const keyId of keys) assert.isAtLeast(world.tables.keyLife.uses.get(keyId!) ?? 0, count)
    })
  )

  it.effect("no key seals more than it may while many are moved to it, and another one follows", () =>
    Effect.gen(function* () {
      const usesMax = 1_000
      const { replica, world } = yield* rotationWorld({
        CM_TENANT_KEY_USES_MAX: `${usesMax}`,
        CM_KEYS_MOVE_RATE: "500"
      })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      for (let n = 0; n < 1_600; n++) yield* plantSecret(world, one, "acme", `s${n}`)
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      yield* turns(one)
      const counts = new Map<string, number>()
      for (const { keyId } of world.tables.credentials.allVersions()) counts.set(keyId!, (counts.get(keyId!) ?? 0) + 1)
      assert.isAtLeast(counts.size, 2)
      for (const [keyId, count] of counts)
        assert.isAtMost(count, Math.min(usesMax, world.tables.keyLife.uses.get(keyId) ?? 0))
    })
  )

  it.effect.each([
    ["secrets", plantSecretOf],
    ["tokens", (world, one, text) => Effect.sync(() => plantToken(world, one, text))]
  ] as ReadonlyArray<
    readonly [
      string,
      (world: World, one: RotationReplica, text: string) => Effect.Effect<unknown, TenantKeyUnavailable>
    ]
  >)("leaves the thread to others while it makes a page of %s", ([, plant]) =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld({ CM_KEYS_MOVE_RATE: "100000" })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const count = 400
      for (let n = 0; n < count; n++) yield* plant(world, one, `s${n}`)
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      let ticks = 0
      /** Turns of the process's own loop, in which requests come in. */
      let ticking = setImmediate(function tick() {
        ticks += 1
        ticking = setImmediate(tick)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => clearImmediate(ticking)))
      yield* turns(one)
      const { done } = yield* one.keys.keysStatus()
      assert.strictEqual(done, count)
      assert.isAtLeast(ticks, 12, "at the most 32 of them in one go")
    })
  )

  it.effect("while the key that was the active one is still used, nothing is sealed for nothing", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const secret = yield* plantSecret(world, one, "acme", "s")
      const { keyId } = world.tables.credentials.versionsOf(secret.place.credentialId)[0]!
      yield* one.keys.rotateKeys(operator)
      // Within the seconds that a replica goes on with the key it knows.
      yield* turns(one)
      assert.strictEqual(world.tables.credentials.versionsOf(secret.place.credentialId)[0]!.keyId, keyId)
      yield* TestClock.adjust("1 minute")
      yield* turns(one)
      assert.notStrictEqual(world.tables.credentials.versionsOf(secret.place.credentialId)[0]!.keyId, keyId)
      assert.strictEqual(yield* opened(world, one, secret), "s")
    })
  )

  it.effect("active keys and unknown ones cannot be retired, a retired one again without harm", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      for (const { keyId } of world.keys()) {
        assert.strictEqual((yield* one.keys.retireKey(keyId, operator).pipe(Effect.flip))._tag, "KeyInUse")
      }
      for (const keyId of ["0193b0a0-0000-7000-8000-00000000dead", "not-an-id"]) {
        assert.strictEqual((yield* one.keys.retireKey(keyId, operator).pipe(Effect.flip))._tag, "KeyNotFound")
      }
      const old = world.keys().find(({ purpose }) => purpose === "seal")!.keyId
      yield* one.keys.rotateKeys(operator)
      assert.strictEqual(
        (yield* one.keys.retireKey(old, operator).pipe(Effect.flip))._tag,
        "KeyInUse",
        "a replica may write with it"
      )
      yield* TestClock.adjust("1 minute")
      yield* one.keys.retireKey(old, operator)
      yield* one.keys.retireKey(old, operator)
    })
  )

  it.effect("a row written late under a retired key brings the key back, and then follows", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const { hash, keyId } = one.keyring.hashToken("app", "late")
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      yield* one.keys.retireKey(keyId, operator)
      const token = tagged(one.keyring, aToken("acme", "app", { hash, hashKeyId: keyId }))
      world.tables.tokens.set(token.tokenId, token)
      world.tables.tokenByHash.set(hex(hash), token.tokenId)
      yield* turns(one, 2)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(found(world, one, "late"), token.tokenId)
      assert.notStrictEqual(world.tables.tokens.get(token.tokenId)?.hashKeyId, keyId)
    })
  )

  it.effect("the material of a retired key is erased after its time and not before", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld({ CM_KEYS_ERASE_AFTER: "1 hour" })
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const old = world.keys().find(({ purpose }) => purpose === "token-hash")!.keyId
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      yield* one.keys.retireKey(old, operator)
      yield* turns(one)
      assert.isAbove(world.tables.dataKeys.get(old)!.wrapped.byteLength, 0)
      yield* TestClock.adjust("61 minutes")
      yield* turns(one)
      assert.strictEqual(world.tables.dataKeys.get(old)!.wrapped.byteLength, 0)
    })
  )

  it.effect("rows and keys that somebody else spoiled hold up no other key", () =>
    Effect.gen(function* () {
      const { master, replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const spoiled = plantToken(world, one, "t1")
      const secret = yield* plantSecret(world, one, "acme", "secret")
      const before = world.tables.credentials.versionsOf(secret.place.credentialId)[0]!.keyId
      world.tables.tokens.set(spoiled, { ...world.tables.tokens.get(spoiled)!, hash: null as never })
      yield* one.keys.rotateKeys(operator)
      yield* TestClock.adjust("1 minute")
      yield* turns(one, 3)
      assert.notStrictEqual(world.tables.credentials.versionsOf(secret.place.credentialId)[0]!.keyId, before)
      const all = world.keys()
      const ofTenant = all.find(({ purpose }) => purpose === "tenant-data") ?? assert.fail("no key of a tenant")
      const wrapped = Buffer.alloc(60, 1)
      const planted = { ...ofTenant, keyId: "00000000-0000-7000-8000-000000000000", state: "retiring", wrapped }
      world.tables.dataKeys.set(planted.keyId, planted as never)
      master.keys = [...fileKeys(2), ...master.keys]
      // Until the claim of the one before has run out.
      yield* TestClock.adjust("1 minute")
      yield* turns(yield* replica)
      const now = new Map(world.keys().map((key) => [key.keyId, key.masterKeyId]))
      for (const { keyId } of all) assert.strictEqual(now.get(keyId), master.keys[0]!.id)
      assert.strictEqual(now.get(planted.keyId), planted.masterKeyId)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("a new master key in the file takes over every key, and the old one may then leave the file", () =>
    Effect.gen(function* () {
      const { master, replica, world } = yield* rotationWorld()
      const one = yield* replica
      const secret = yield* plantSecret(world, one, "acme", "secret")
      const hashed = one.keyring.hashToken("app", "t")
      master.keys = [...fileKeys(2), ...master.keys]
      const two = yield* replica
      yield* turns(two)
      assert.deepStrictEqual(Array.from(new Set(world.keys().map(({ masterKeyId }) => masterKeyId))), [
        master.keys[0]!.id
      ])
      master.keys = master.keys.slice(0, 1)
      const three = yield* replica
      assert.strictEqual(yield* opened(world, three, secret), "secret")
      assert.deepStrictEqual(three.keyring.hashToken("app", "t"), hashed)
    })
  )

  it.effect("a sealing key that has been used very often is followed by another by itself", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* rotationWorld()
      const one = yield* replica
      yield* TestClock.adjust("1 minute")
      const { keyId } = (yield* world.rotation.activeKey("seal", null))!
      for (let i = 0; i < 5; i++) one.keyring.seal("p", Buffer.alloc(1))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* world.rotation.addUses(keyId, 0), 5, "uses are told to the store")
      yield* turns(one)
      assert.strictEqual((yield* world.rotation.activeKey("seal", null))?.keyId, keyId)
      yield* world.rotation.addUses(keyId, KeyMover.sealUsesMax)
      yield* turns(one)
      assert.notStrictEqual((yield* world.rotation.activeKey("seal", null))?.keyId, keyId)
    })
  )

  it.effect(
    "a token hash key waits while rows are under three before it, the others are followed, and the answer says so",
    () =>
      Effect.gen(function* () {
        const { audit, events, replica, world } = yield* rotationWorld()
        const one = yield* replica
        yield* TestClock.adjust("1 minute")
        yield* plantSecret(world, one, "acme", "secret")
        const tokens = [plantToken(world, one, "t0")]
        for (let rotation = 1; rotation < RotationPlan.lookedUpMax; rotation++) {
          assert.strictEqual((yield* one.keys.rotateKeys(operator)).keyIds.length, 2)
          yield* TestClock.adjust("1 minute")
          tokens.push(plantToken(world, one, `t${rotation}`))
        }
        const active = (purpose: string) =>
          world.keys().find((key) => key.purpose === purpose && key.state === "active")?.keyId
        const [hashing, sealing] = [active("token-hash")!, active("seal")]
        yield* plantSecret(world, one, "acme", "another")
        const notRotated = [{ keyId: hashing, purpose: "token-hash", why: "crowded" as const }]
        const rotated = yield* one.keys.rotateKeys(operator, { purpose: null, force: true })
        assert.deepStrictEqual(rotated, { keyIds: [active("seal")!], tenants: 1, notRotated })
        assert.notStrictEqual(active("seal"), sealing)
        assert.strictEqual(active("token-hash"), hashing)
        assert.deepStrictEqual(audit().at(-1)?.diff, { seal: [sealing, active("seal")], tenants: 1, force: true })
        const written = [audit().length, events().length]
        assert.deepStrictEqual(yield* one.keys.rotateKeys(operator), { keyIds: [], tenants: 0, notRotated })
        assert.deepStrictEqual([audit().length, events().length], written, "what changes nothing is not written down")
        yield* TestClock.adjust("1 minute")
        yield* turns(one)
        yield* one.erasure.retire
        assert.strictEqual((yield* one.keys.keysStatus()).state, "idle")
        for (const [at, tokenId] of tokens.entries()) assert.strictEqual(found(world, one, `t${at}`), tokenId)
        assert.deepStrictEqual((yield* one.keys.rotateKeys(operator)).notRotated, [], "and goes on afterwards")
        assert.notStrictEqual(active("token-hash"), hashing)
      })
  )
})

describe("RotationPlan", () => {
  it("says how far a run is, and how long the rest takes at the pace so far", () => {
    const mark = { startedAt: 0, total: 100, moved: 60, movingMs: 30_000, isOver: false }
    const begun = { ...mark, total: null, moved: 0, movingMs: null }
    const running = (total: number, done: number, etaSeconds: number | null) => ({
      state: "running",
      total,
      done,
      etaSeconds
    })
    const cases = [
      [undefined, 0, { state: "idle", total: 0, done: 0, etaSeconds: null }],
      [{ ...mark, moved: 100 }, 0, { state: "idle", total: 100, done: 100, etaSeconds: null }],
      [mark, 0, { state: "idle", total: 100, done: 100, etaSeconds: null }],
      [undefined, 5, running(5, 0, null)],
      [{ ...mark, isOver: true }, 5, running(5, 0, null)],
      [begun, 7, running(7, 0, null)],
      [begun, RotationPlan.countedMax, running(RotationPlan.countedMax, 0, null)],
      [{ ...begun, total: 100 }, 100, running(100, 0, null)],
      [mark, 40, running(100, 60, 20)],
      [mark, 30, running(100, 70, 15)],
      [mark, 50, running(110, 60, 25)],
      [{ ...mark, movingMs: 0 }, 40, running(100, 60, 4)],
      [{ ...mark, total: 1_000_000 }, RotationPlan.countedMax, running(1_000_000, 60, 499_970)],
      [{ ...mark, total: null }, RotationPlan.countedMax, running(10_060, 60, 5_000)]
    ] as const
    for (const [given, left, progress] of cases) {
      assert.deepStrictEqual(RotationPlan.progressOf(given, left, 10), progress as RotationPlan.Progress)
    }
  })

  it("waits so that the rate holds, and not when moving was slow by itself", () => {
    assert.deepStrictEqual(
      [RotationPlan.pauseMs(500, 100, 1000), RotationPlan.pauseMs(500, 600, 1000), RotationPlan.pauseMs(1, 0, 3)],
      [400, 0, 334]
    )
  })

  it.effect(
    "a key that followed another is left for its least age, unless forced; the first may be followed at once",
    () =>
      Effect.gen(function* () {
        const { replica, world } = yield* rotationWorld({ CM_KEYS_AGE_MIN: "1 hour", CM_KEYS_RELOAD: "4 seconds" })
        const one = yield* replica
        yield* TestClock.adjust("1 minute")
        plantToken(world, one, "t")
        yield* plantSecret(world, one, "acme", "s")
        assert.strictEqual((yield* one.keys.rotateKeys(operator)).keyIds.length, 2)
        yield* TestClock.adjust("1 minute")
        yield* turns(one)
        const again = yield* one.keys.rotateKeys(operator)
        assert.deepStrictEqual([again.keyIds, again.tenants], [[], 0])
        assert.sameMembers(
          again.notRotated.map(({ purpose, why }) => `${purpose} ${why}`),
          ["token-hash young", "seal young"]
        )
        // One purpose alone, with and without force.
        const tenants = yield* one.keys.rotateKeys(operator, { purpose: "tenant-data", force: false })
        assert.deepStrictEqual([tenants.keyIds, tenants.tenants], [[], 1])
        const left = yield* one.keys.rotateKeys(operator, { purpose: "seal", force: false })
        assert.deepStrictEqual(
          left.notRotated.map(({ why }) => why),
          ["young"]
        )
        const forced = yield* one.keys.rotateKeys(operator, { purpose: "seal", force: true })
        assert.deepStrictEqual([forced.keyIds.length, forced.tenants, forced.notRotated], [1, 0, []])
        yield* TestClock.adjust("1 hour")
        yield* turns(one)
        assert.strictEqual((yield* one.keys.rotateKeys(operator)).keyIds.length, 2)
      })
  )
})
