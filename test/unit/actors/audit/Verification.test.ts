// Verifies R-SEC-7, R-SEC-15, R-SEC-16.
/** `audit.verify`: what it finds over many pages, what it costs at most, and whose rows a tenant sees. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { AuditListRequest } from "../../../../src/actors/audit/Audit.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { linkHash } from "../../../../src/store/AuditChain.ts"
import type { AuditBound } from "../../../../src/store/AuditStore.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

type World = Effect.Success<typeof credentialWorld>
type Replica = Effect.Success<ReturnType<World["replica"]>>

const someone = { ...busPrincipal, correlationId: "c" }
const whole = { from: null, to: null }
const from = (seq: number) => ({ from: { seq }, to: null })
const valid = (checked: number) => ({ valid: true, checked, firstBroken: null })

const started = Effect.gen(function* () {
  const world = yield* credentialWorld
  const replica = yield* world.replica("one")
  const verify = (range: { readonly from: AuditBound; readonly to: AuditBound } = whole, tenantId = "demo") =>
    Effect.map(replica.audit.verify(tenantId, range, someone), ({ published: _1, repaired: _2, ...verdict }) => verdict)
  return { world, replica, verify }
})
/** So many rows, each the head when it was signed. */
const signedRows = Effect.fnUntraced(function* ({ append }: World, { sweeps }: Replica, count: number) {
  for (let n = 0; n < count; n++) {
    yield* append("demo", 1)
    yield* sweeps.checkpoint
  }
})
const rows = ({ tables }: World) => tables.audit.get("demo") ?? []
const edit = (world: World, seq: number, change: object) =>
  void rows(world).splice(seq - 1, 1, { ...rows(world)[seq - 1]!, ...change })
/** As somebody does who has the database: the tail is gone and the counters say so. */
const cutAfter = (world: World, seq: number) => {
  rows(world).splice(seq)
  const counters = world.tables.counters.get("demo")!
  world.tables.counters.set("demo", { ...counters, auditSeq: seq, auditHash: rows(world)[seq - 1]!.hash })
}
const forge = (world: World, seq: number) => {
  const at = world.tables.checkpoints.findIndex((point) => point.tenantId === "demo" && point.seq === seq)
  world.tables.checkpoints.splice(at, 1, { ...world.tables.checkpoints[at]!, signature: new Uint8Array(64) })
}

describe("a chain of many pages", () => {
  it.effect("holds as it was written, whole and from any row on, up to any", () =>
    Effect.gen(function* () {
      const { replica, verify, world } = yield* started
      yield* world.append("demo", 600)
      yield* replica.sweeps.checkpoint
      yield* world.append("demo", 700)
      const total = rows(world).length
      assert.strictEqual(total, 1_301)
      assert.deepStrictEqual(yield* verify(), valid(total))
      for (const seq of [1, 2, 250, 251, 600, 601, 602, total, total + 1]) {
        assert.deepStrictEqual(yield* verify(from(seq)), valid(total + 1 - seq), `from ${seq}`)
        if (seq <= total) {
          assert.deepStrictEqual(yield* verify({ from: null, to: { seq } }), valid(seq), `to ${seq}`)
        }
      }
      assert.deepStrictEqual(yield* verify({ from: { at: 0 }, to: { at: 0 } }), valid(total))
    })
  )

  it.effect("says of a range that nothing was written in that nothing in it is broken", () =>
    Effect.gen(function* () {
      const { verify, world } = yield* started
      yield* world.append("demo", 3)
      assert.deepStrictEqual(yield* verify(from(100)), valid(0))
      assert.deepStrictEqual(yield* verify({ from: { at: 5 }, to: null }), valid(0))
      assert.deepStrictEqual(yield* verify({ from: { seq: 3 }, to: { seq: 2 } }), valid(0))
    })
  )

  it.effect("is broken at the first place, whatever is wrong behind it", () =>
    Effect.gen(function* () {
      const { replica, verify, world } = yield* started
      yield* world.append("demo", 300)
      yield* signedRows(world, replica, 60)
      forge(world, 350)
      assert.deepInclude(yield* verify(), {
        checked: 350,
        firstBroken: { seq: 350, reason: "the signed checkpoint is not good" }
      })
      assert.deepStrictEqual(yield* verify({ from: null, to: { seq: 349 } }), valid(349))
      assert.isFalse((yield* verify(from(351))).valid)
      assert.deepStrictEqual(yield* verify(from(352)), valid(361 - 351))
      edit(world, 320, { actor: "mallory" })
      assert.deepInclude(yield* verify(), { checked: 319, firstBroken: { seq: 320, reason: "the row was changed" } })
      edit(world, 255, { actor: "mallory" })
      assert.deepInclude(yield* verify(), { checked: 254, firstBroken: { seq: 255, reason: "the row was changed" } })
    })
  )

  // Checkpoints come in pages of 50: one less, as many, one more, and twice as many.
  it.effect.each([49, 50, 51, 100, 101])("shows a tail that was cut off behind %i signed rows", (count) =>
    Effect.gen(function* () {
      const { replica, verify, world } = yield* started
      yield* signedRows(world, replica, count + 2)
      assert.deepStrictEqual(yield* verify(), valid(count + 3))
      cutAfter(world, count)
      assert.deepInclude(yield* verify(), {
        checked: count,
        firstBroken: { seq: count + 1, reason: "the row is missing" }
      })
      assert.deepInclude(yield* verify(from(count + 2)), {
        firstBroken: { seq: count + 1, reason: "the row is missing" }
      })
      assert.deepStrictEqual(yield* verify({ from: null, to: { seq: count } }), valid(count))
    })
  )

  it.effect("shows a row that was replaced together with its hash, also when the range begins behind it", () =>
    Effect.gen(function* () {
      const { replica, verify, world } = yield* started
      yield* signedRows(world, replica, 3)
      edit(world, 3, { hash: "00".repeat(32) })
      assert.deepInclude((yield* verify(from(4))).firstBroken, { seq: 3 })
    })
  )

  it.effect("does not wait for rows, nor take checkpoints for missing rows, that come meanwhile", () =>
    Effect.gen(function* () {
      const { replica, verify, world } = yield* started
      yield* signedRows(world, replica, 120)
      world.pace.page = Duration.seconds(1)
      const verifying = yield* Effect.forkChild(verify(), { startImmediately: true })
      for (let n = 0; n < 15; n++) {
        // What is signed is read first, and what was accepted, at the same pace.
        const signing = yield* Effect.forkChild(signedRows(world, replica, 1), { startImmediately: true })
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(signing)
      }
      assert.deepInclude(yield* Fiber.join(verifying), { valid: true })
    })
  )
})

describe("the cost of a verification", () => {
  /** Rows of one page, as its pauses show. */
  const pageRows = 250

  it.effect("lets others work between its pages", () =>
    Effect.gen(function* () {
      const { verify, world } = yield* started
      yield* world.append("demo", 40 * pageRows)
      let turns = 0
      /** Turns of the process's own loop, in which requests come in. */
      let ticking = setImmediate(function tick() {
        turns += 1
        ticking = setImmediate(tick)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => clearImmediate(ticking)))
      const before = turns
      yield* verify()
      assert.isAtLeast(turns - before, 40)
    })
  )

  it.effect("is bounded by the time of a request; the answer says how far it holds and where to go on", () =>
    Effect.gen(function* () {
      const { verify, world } = yield* started
      yield* world.append("demo", 100 * pageRows - 1)
      world.pace.page = Duration.seconds(1)
      let next = 1
      let checked = 0
      let requests = 0
      while (true) {
        requests += 1
        const verifying = yield* Effect.forkChild(Effect.exit(verify(from(next))), { startImmediately: true })
        let tookMs = 0
        while (verifying.pollUnsafe() === undefined) {
          yield* TestClock.adjust("100 millis")
          tookMs += 100
        }
        assert.isAtMost(tookMs, 20_000)
        const exit = yield* Fiber.join(verifying)
        if (Exit.isSuccess(exit)) {
          assert.isTrue(exit.value.valid)
          checked += exit.value.checked
          break
        }
        const error = yield* Effect.flip(exit)
        if (error._tag !== "AuditRangeTooLong") return assert.fail(error._tag)
        assert.isAtLeast(error.checked, 15 * pageRows)
        assert.strictEqual(error.nextFrom, next + error.checked)
        checked += error.checked
        next = error.nextFrom
      }
      assert.strictEqual(checked, 100 * pageRows)
      assert.isAtMost(requests, 7)
    })
  )

  it.effect("ends in time when a page does not come", () =>
    Effect.gen(function* () {
      const { verify, world } = yield* started
      world.pace.page = Duration.hours(1)
      const verifying = yield* Effect.forkChild(Effect.flip(verify()), { startImmediately: true })
      yield* TestClock.adjust("20 seconds")
      assert.deepInclude(yield* Fiber.join(verifying), { _tag: "Unavailable", committed: false })
      // Its place is free again.
      world.pace.page = Duration.zero
      assert.deepStrictEqual(yield* verify(), valid(1))
    })
  )

  it.effect("is one for each tenant and a few for all at once; one more is refused, and none is held back later", () =>
    Effect.gen(function* () {
      const { verify, world } = yield* started
      const tenantIds = ["a", "b", "c", "d", "e"]
      for (const tenantId of tenantIds) yield* world.addTenant(tenantId)
      world.pace.page = Duration.seconds(1)
      const ask = (tenantId: string) =>
        Effect.forkChild(Effect.exit(verify(whole, tenantId)), { startImmediately: true })
      const asked = [yield* ask("a"), yield* ask("a")]
      for (const tenantId of tenantIds.slice(1)) asked.push(yield* ask(tenantId))
      yield* TestClock.adjust("10 seconds")
      const answers = yield* Effect.forEach(asked, Fiber.join)
      // Of the two of one tenant either may have been the first.
      assert.strictEqual(answers.slice(0, 2).filter(Exit.isSuccess).length, 1)
      assert.deepStrictEqual(answers.slice(2).map(Exit.isSuccess), [true, true, true, false])
      for (const refused of answers.filter(Exit.isFailure)) {
        assert.strictEqual((yield* Effect.flip(refused))._tag, "TooManyRequests")
      }
      world.pace.page = Duration.zero
      for (const tenantId of tenantIds) assert.deepStrictEqual(yield* verify(whole, tenantId), valid(1))
      const unknown = yield* Effect.flip(verify(whole, "nobody"))
      assert.strictEqual(unknown._tag, "TenantNotFound")
    })
  )
})

describe("a tenant that takes the name of one that was removed", () => {
  const all = { entityId: null, from: null, to: null, limit: 100, after: null }
  /** `demo` with six rows, removed, tidied away and created anew. */
  const takenOver = Effect.gen(function* () {
    const { replica, verify, world } = yield* started
    yield* world.append("demo", 5)
    yield* replica.sweeps.checkpoint
    yield* TestClock.adjust("1 second")
    yield* world.removeTenant("demo")
    world.tables.pending.clear()
    yield* world.sweeps.purgeRemoved
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* world.addTenant("demo"), "created")
    yield* world.append("demo", 2)
    const list = (query: Partial<AuditListRequest> = {}) =>
      Effect.map(replica.audit.list("demo", { ...all, ...query }, someone), ({ content }) =>
        content.map(({ seq }) => seq)
      )
    return { replica, verify, world, list }
  })

  it.effect("sees its own rows and none of the other's, however it asks", () =>
    Effect.gen(function* () {
      const { list, verify, world } = yield* takenOver
      assert.lengthOf(rows(world), 9)
      assert.deepStrictEqual(yield* list(), [7, 8, 9])
      assert.deepStrictEqual(yield* list({ from: { seq: 1 } }), [7, 8, 9])
      assert.deepStrictEqual(yield* list({ from: { at: 0 }, to: { seq: 8 } }), [7, 8])
      assert.deepStrictEqual(yield* list({ to: { seq: 6 } }), [])
      assert.deepStrictEqual(yield* list({ after: "2" }), [7, 8, 9])
      assert.deepStrictEqual(yield* list({ after: "7" }), [8, 9])
      assert.deepStrictEqual(yield* list({ entityId: "demo" }), [7])
      for (const range of [whole, from(1), { from: { at: 0 }, to: null }]) {
        assert.deepStrictEqual(yield* verify(range), valid(9))
      }
      assert.deepStrictEqual(yield* verify(from(7)), valid(3))
      assert.deepStrictEqual(yield* verify({ from: { seq: 1 }, to: { seq: 6 } }), valid(6))
    })
  )

  it.effect("has a chain that goes on from the other's, and whose beginning cannot be cut off", () =>
    Effect.gen(function* () {
      const { verify, world } = yield* takenOver
      assert.strictEqual(rows(world)[6]!.prevHash, rows(world)[5]!.hash)
      edit(world, 3, { actor: "mallory" })
      assert.deepInclude(yield* verify(), { checked: 2, firstBroken: { seq: 3, reason: "the row was changed" } })
      assert.deepStrictEqual(yield* verify(from(7)), valid(3))
      rows(world).splice(6, 1)
      assert.deepInclude(yield* verify(from(7)), { valid: false })
    })
  )

  it.effect("is not made up by a row that says so: what was edited before that row is found", () =>
    Effect.gen(function* () {
      const { verify, world } = yield* started
      yield* world.append("demo", 8)
      edit(world, 5, { actor: "mallory" })
      // As somebody does who can write rows and counters: a row that follows the last one, as good as any.
      const [first, last] = [rows(world)[0]!, rows(world).at(-1)!]
      const { hash: _, ...forged } = { ...first, seq: last.seq + 1, prevHash: last.hash }
      rows(world).push({ ...forged, hash: linkHash(forged) })
      const counters = world.tables.counters.get("demo")!
      world.tables.counters.set("demo", { ...counters, auditSeq: forged.seq, auditHash: linkHash(forged) })
      assert.deepInclude(yield* verify(), { checked: 4, firstBroken: { seq: 5, reason: "the row was changed" } })
      assert.deepInclude(yield* verify({ from: { at: 0 }, to: null }), { checked: 4 })
      assert.isFalse((yield* verify(from(2))).valid)
    })
  )
})
