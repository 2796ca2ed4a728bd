// Verifies R-SEC-12, R-BUS-5.
/**
 * `keys.rotate` and `keys.retire`: what happens to the keys, the audit row, the event and the answer
 * that is remembered are one transaction.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { operator, type RotationWorld, rotationWorld, withKey } from "../../../support/rotationWorld.ts"
import { aHash, anId, aToken } from "../../../support/storeFixtures.ts"

const idOf = ({ world }: RotationWorld, purpose: string, state = "active"): string => {
  const found = world.keys().filter((key) => key.purpose === purpose && key.state === state)
  assert.strictEqual(found.length, 1, `${state} ${purpose}`)
  return found[0]!.keyId
}
/** Everything that a rotation or a retirement leaves behind. */
const traces = ({ audit, events, world }: RotationWorld) =>
  JSON.stringify([world.keys().map(({ keyId, state }) => [keyId, state]), audit(), events(), world.tables.keyLife.mark])
/** A service with a settled set of keys and one tenant's data key. */
const settled = Effect.gen(function* () {
  const all = yield* rotationWorld()
  const one = yield* all.replica
  yield* one.tenantKeys.sealFor("acme", { credentialId: anId(), version: 1, purpose: "p" }, Buffer.from("x"))
  yield* TestClock.adjust("1 minute")
  return { all, one }
})

describe("keys.rotate", () => {
  it.effect("changes the keys, and says in one audit row and one event which, and by whom", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const [hashing, sealing, data] = [idOf(all, "token-hash"), idOf(all, "seal"), idOf(all, "tenant-data")]
      const rotated = yield* one.keys.rotateKeys(operator)
      const [newHashing, newSealing] = [idOf(all, "token-hash"), idOf(all, "seal")]
      assert.deepStrictEqual(rotated, { keyIds: [newHashing, newSealing], tenants: 1, notRotated: [] })
      assert.strictEqual(idOf(all, "tenant-data", "retiring"), data)
      assert.deepStrictEqual(all.audit(), [
        {
          action: "keys.rotated",
          actor: "operator",
          entityId: "service",
          diff: { "token-hash": [hashing, newHashing], seal: [sealing, newSealing], tenants: 1 }
        }
      ])
      const { timestamp, ...told } = all.events()[0]!.body
      assert.deepStrictEqual(told, { eventType: "keys.rotated", keyIds: rotated.keyIds, tenants: 1 })
      assert.deepStrictEqual(
        all.events().map(({ subject }) => subject),
        ["cm.events.v1.global.keys.rotated"]
      )
      assert.isString(timestamp)
    })
  )

  it.effect("does nothing when the keys were rotated a moment ago, and then writes nothing", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      yield* one.keys.rotateKeys(operator)
      const before = traces(all)
      yield* TestClock.adjust("19 seconds")
      assert.deepStrictEqual(yield* one.keys.rotateKeys(operator), { keyIds: [], tenants: 0, notRotated: [] })
      assert.strictEqual(traces(all), before)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* one.keys.rotateKeys(operator)).keyIds.length, 2)
    })
  )

  it.effect("gives an idempotency key its first answer again, long after the new keys are in use", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const two = yield* all.replica
      const caller = withKey("k", "keys.rotate")
      const first = yield* one.keys.rotateKeys(caller)
      assert.strictEqual(first.keyIds.length, 2)
      const before = traces(all)
      yield* TestClock.adjust("10 minutes")
      all.master.down = true
      for (const replica of [one, two]) assert.deepStrictEqual(yield* replica.keys.rotateKeys(caller), first)
      assert.strictEqual(traces(all), before)
      assert.strictEqual(
        (yield* one.keys.rotateKeys(withKey("k", "keys.rotate", "{}")).pipe(Effect.flip))._tag,
        "IdempotencyKeyReused"
      )
      all.master.down = false
      assert.strictEqual((yield* one.keys.rotateKeys(withKey("other", "keys.rotate"))).keyIds.length, 2)
    })
  )

  it.effect("remembers for an idempotency key that there was nothing to do, too", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      yield* one.keys.rotateKeys(operator)
      const nothing = yield* one.keys.rotateKeys(withKey("k", "keys.rotate"))
      yield* TestClock.adjust("1 minute")
      const before = traces(all)
      assert.deepStrictEqual(yield* one.keys.rotateKeys(withKey("k", "keys.rotate")), nothing)
      assert.strictEqual(traces(all), before)
    })
  )

  it.effect("asked of two replicas at once, or twice of one, it happens once, whoever is first", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const two = yield* all.replica
      const answers = yield* Effect.forEach([one, two, one, two], ({ keys }) => keys.rotateKeys(operator), {
        concurrency: 4
      })
      assert.deepStrictEqual(answers.map(({ keyIds }) => keyIds.length).toSorted(), [0, 0, 0, 2])
      assert.deepStrictEqual([all.audit().length, all.events().length], [1, 1])
      assert.deepStrictEqual(
        [idOf(all, "token-hash"), idOf(all, "seal")].toSorted(),
        [...answers.find(({ keyIds }) => keyIds.length > 0)!.keyIds].toSorted()
      )
    })
  )

  it.effect("who is overtaken while its master key is slow changes nothing of what the other did", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const two = yield* all.replica
      let before = ""
      all.master.during = Effect.suspend(() => {
        all.master.during = Effect.void
        return Effect.flatMap(Effect.orDie(two.keys.rotateKeys(operator)), () =>
          Effect.sync(() => {
            before = traces(all)
          })
        )
      })
      assert.deepStrictEqual(yield* one.keys.rotateKeys(operator), { keyIds: [], tenants: 0, notRotated: [] })
      assert.strictEqual(traces(all), before)
    })
  )

  it.effect("so late that the keys could be followed again, it still does not put its own in their place", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const two = yield* all.replica
      let before = ""
      all.master.during = Effect.suspend(() => {
        all.master.during = Effect.void
        return Effect.orDie(two.keys.rotateKeys(operator)).pipe(
          Effect.andThen(TestClock.adjust("1 minute")),
          Effect.andThen(
            Effect.sync(() => {
              before = traces(all)
            })
          )
        )
      })
      // A successor of the old token hash key lacks the layer that the other one's has.
      assert.deepStrictEqual(yield* one.keys.rotateKeys(operator), { keyIds: [], tenants: 0, notRotated: [] })
      assert.strictEqual(traces(all), before)
    })
  )

  it.effect("two requests of one idempotency key at once get one answer", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const two = yield* all.replica
      const answers = yield* Effect.forEach(
        [one, two, two],
        ({ keys }) => keys.rotateKeys(withKey("k", "keys.rotate")),
        {
          concurrency: 3
        }
      )
      for (const answer of answers) assert.deepStrictEqual(answer, answers[0])
      assert.strictEqual(answers[0]?.keyIds.length, 2)
      assert.strictEqual(all.audit().length, 1)
    })
  )

  it.effect("without the master key it changes nothing, says so, and remembers nothing", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const before = traces(all)
      all.master.down = true
      const error = yield* one.keys.rotateKeys(withKey("k", "keys.rotate")).pipe(Effect.flip)
      assert.deepStrictEqual(
        [error._tag, error._tag === "Unavailable" && [error.part, error.committed]],
        ["Unavailable", ["master key", false]]
      )
      assert.strictEqual(traces(all), before)
      all.master.down = false
      assert.strictEqual((yield* one.keys.rotateKeys(withKey("k", "keys.rotate"))).keyIds.length, 2)
    })
  )

  it.effect("its transaction happens whole or not at all, and the repetition tells", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const caller = withKey("k", "keys.rotate")
      const before = traces(all)
      all.state.fate = "is not done"
      const none = yield* one.keys.rotateKeys(caller).pipe(Effect.flip)
      assert.strictEqual(none._tag === "Unavailable" && none.committed, false)
      assert.strictEqual(traces(all), before)
      all.state.fate = "is committed, answer lost"
      const unknown = yield* one.keys.rotateKeys(caller).pipe(Effect.flip)
      assert.isNull(unknown._tag === "Unavailable" && unknown.committed)
      const committed = traces(all)
      assert.notStrictEqual(committed, before)
      yield* TestClock.adjust("1 minute")
      const answer = yield* one.keys.rotateKeys(caller)
      assert.deepStrictEqual(answer.keyIds, [idOf(all, "token-hash"), idOf(all, "seal")])
      assert.strictEqual(traces(all), committed)
    })
  )

  it.effect("a key that the service itself replaced meanwhile is left alone, the other is rotated", () =>
    Effect.gen(function* () {
      const { all, one } = yield* settled
      const sealing = idOf(all, "seal")
      const worn = { ...all.world.tables.dataKeys.get(sealing)!, keyId: anId(), wrapped: aHash() }
      all.master.during = Effect.suspend(() => {
        all.master.during = Effect.void
        return Effect.asVoid(Effect.orDie(all.world.rotation.replaceActive(sealing, worn)))
      })
      const { keyIds } = yield* one.keys.rotateKeys(operator)
      assert.deepStrictEqual(keyIds, [idOf(all, "token-hash")])
      assert.strictEqual(idOf(all, "seal"), worn.keyId)
      assert.deepStrictEqual(Object.keys(all.audit()[0]?.diff), ["token-hash", "tenants"])
    })
  )
})

describe("keys.retire", () => {
  /** After a rotation, when nobody writes with the old keys any more. */
  const rotated = Effect.gen(function* () {
    const { all, one } = yield* settled
    const old = idOf(all, "token-hash")
    yield* one.keys.rotateKeys(operator)
    yield* TestClock.adjust("1 minute")
    return { all, one, old }
  })

  it.effect("retires a key and says so in one audit row and one event", () =>
    Effect.gen(function* () {
      const { all, old, one } = yield* rotated
      yield* one.keys.retireKey(old, operator)
      assert.strictEqual(all.world.tables.dataKeys.get(old)?.state, "retired")
      assert.deepStrictEqual(all.audit().at(-1), {
        action: "keys.retired",
        actor: "operator",
        entityId: old,
        diff: { state: ["retiring", "retired"] }
      })
      const { body, subject } = all.events().at(-1)!
      assert.deepStrictEqual(
        [subject, body.eventType, body.keyId],
        ["cm.events.v1.global.keys.retired", "keys.retired", old]
      )
    })
  )

  it.effect("repeated, with an idempotency key or without, it writes nothing", () =>
    Effect.gen(function* () {
      const { all, old, one } = yield* rotated
      yield* one.keys.retireKey(old, withKey("k", "keys.retire"))
      const before = traces(all)
      yield* one.keys.retireKey(old, withKey("k", "keys.retire"))
      yield* one.keys.retireKey(old, operator)
      const two = yield* all.replica
      yield* Effect.forEach([one, two, two], ({ keys }) => keys.retireKey(old, operator), { concurrency: 3 })
      assert.strictEqual(traces(all), before)
    })
  )

  it.effect("refuses what a row needs, what is written with, and what there is not; and writes nothing", () =>
    Effect.gen(function* () {
      const { all, old, one } = yield* rotated
      const token = aToken("acme", "app", { hashKeyId: old })
      all.world.tables.tokens.set(token.tokenId, token)
      const before = traces(all)
      const refused = Effect.fnUntraced(function* (keyId: string, caller = operator) {
        const error = yield* one.keys.retireKey(keyId, caller).pipe(Effect.flip)
        return error._tag === "KeyInUse" ? [error._tag, error.rows, error.why] : [error._tag]
      })
      assert.deepStrictEqual(yield* refused(old), ["KeyInUse", 1, "rows"])
      assert.deepStrictEqual(yield* refused(idOf(all, "seal")), ["KeyInUse", 0, "active"])
      assert.deepStrictEqual(yield* refused(idOf(all, "fingerprint")), ["KeyInUse", 0, "active"])
      for (const keyId of [anId(), "not-an-id"]) assert.deepStrictEqual(yield* refused(keyId), ["KeyNotFound"])
      assert.deepStrictEqual(yield* refused(old, withKey("k", "keys.retire")), ["KeyInUse", 1, "rows"])
      assert.strictEqual(traces(all), before)
      all.world.tables.tokens.delete(token.tokenId)
      assert.deepStrictEqual(
        yield* refused(old, withKey("k", "keys.retire")),
        ["KeyInUse", 1, "rows"],
        "the first answer"
      )
      yield* one.keys.retireKey(old, operator)
    })
  )

  it.effect("its transaction happens whole or not at all, and the repetition tells", () =>
    Effect.gen(function* () {
      const { all, old, one } = yield* rotated
      const before = traces(all)
      all.state.fate = "is not done"
      yield* one.keys.retireKey(old, operator).pipe(Effect.flip)
      assert.strictEqual(traces(all), before)
      all.state.fate = "is committed, answer lost"
      const unknown = yield* one.keys.retireKey(old, operator).pipe(Effect.flip)
      assert.isNull(unknown._tag === "Unavailable" && unknown.committed)
      const committed = traces(all)
      yield* one.keys.retireKey(old, operator)
      assert.strictEqual(traces(all), committed)
      assert.strictEqual(all.world.tables.dataKeys.get(old)?.state, "retired")
      assert.strictEqual(all.audit().filter(({ action }) => action === "keys.retired").length, 1)
    })
  )
})
