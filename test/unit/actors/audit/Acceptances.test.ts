// Verifies R-AUD-10.
/** Accepting that a restored audit lacks what was signed: told for ever, by nobody but an operator, and never by accident. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { genesisHash, linkHash } from "../../../../src/store/AuditChain.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

type World = Effect.Success<typeof credentialWorld>

const operator = { principal: "OPERATOR/eve", known: busPrincipal.known, correlationId: "c-9" }
const whole = { from: null, to: null }
const quiet = Effect.provideService(References.MinimumLogLevel, "None")
const rowsOf = (world: World) => world.tables.audit.get("demo") ?? []
const checkpoints = (world: World) => world.tables.checkpoints.filter(({ tenantId }) => tenantId === "demo")

/** All that a backup has of the tenant's audit. */
const backup = (world: World) => {
  const rows = [...rowsOf(world)]
  const points = checkpoints(world)
  const counters = { ...world.tables.counters.get("demo")! }
  return () => {
    world.tables.audit.set("demo", [...rows])
    world.tables.counters.set("demo", { ...counters })
    const others = world.tables.checkpoints.filter(({ tenantId }) => tenantId !== "demo")
    world.tables.checkpoints.splice(0, Infinity, ...others, ...points)
  }
}

/** Signed at 10, backed up at 13, signed at 18 and 23; then put back, and gone on to 15. */
const restored = Effect.gen(function* () {
  const world = yield* credentialWorld
  const before = yield* world.replica("one")
  yield* world.append("demo", 9)
  yield* before.sweeps.checkpoint
  yield* world.append("demo", 3)
  const restore = backup(world)
  yield* world.append("demo", 5)
  yield* before.sweeps.checkpoint
  yield* world.append("demo", 5)
  yield* before.sweeps.checkpoint
  const lost = { seq: 23, hash: rowsOf(world).at(-1)!.hash }
  // A process has what it signed in its memory, and the stream in another one's: all is announced.
  yield* before.audit.verify("demo", whole, operator)
  const lostPoints = checkpoints(world)
  restore()
  yield* world.append("demo", 2)
  const replica = yield* world.replica("two")
  const verify = replica.audit.verify("demo", whole, operator)
  const accept = (head = lost, reason = "backup of monday") =>
    replica.audit.accept("demo", { lost: head, reason }, operator)
  return { world, replica, lost, lostPoints, restore, verify, accept }
})

describe("a restored audit", () => {
  it.effect("is not valid and says which head is lost; accepted, it is valid with the gap told, and signed on", () =>
    Effect.gen(function* () {
      const { accept, lost, replica, verify, world } = yield* restored
      yield* replica.sweeps.checkpoint
      assert.deepInclude(yield* verify, { valid: false, lost })
      assert.deepStrictEqual(replica.alarm.brokenUnsafe(), ["demo"])

      const point = yield* accept()
      assert.deepInclude(point, {
        seq: 15,
        number: 4,
        accepted: { lost, by: "OPERATOR/eve", reason: "backup of monday" }
      })
      assert.strictEqual(point.previous?.seq, 10)
      const verdict = yield* verify
      assert.isTrue(verdict.valid, JSON.stringify(verdict))
      assert.lengthOf(verdict.accepted ?? [], 1)
      assert.deepInclude(verdict.accepted![0], { lost, by: "OPERATOR/eve", reason: "backup of monday", at: point.at })
      assert.deepInclude(verdict.accepted![0], { from: { seq: 15, hash: point.hash }, kept: point.previous })
      assert.isEmpty(replica.alarm.brokenUnsafe())

      // Told in the chain itself and in the one of global.
      assert.deepInclude(rowsOf(world).at(-1), { seq: 16, action: "audit.accepted", actor: "OPERATOR/eve" })
      const told = world.tables.audit.get("global")!.filter(({ action }) => action === "audit.accepted")
      assert.deepStrictEqual(
        told.map(({ entityId }) => entityId),
        ["demo"]
      )

      // Signed on, beyond the lost row too, by a replica that starts anew.
      for (let turn = 0; turn < 4; turn++) {
        yield* world.append("demo", 3)
        yield* replica.sweeps.checkpoint
      }
      assert.deepStrictEqual(
        checkpoints(world).map(({ number, seq }) => [number, seq]),
        [
          [1, 10],
          [5, 19],
          [6, 22],
          [7, 25],
          [8, 28]
        ]
      )
      const three = yield* world.replica("three")
      yield* three.sweeps.checkpoint
      for (const range of [whole, { from: { seq: 12 }, to: { seq: 26 } }, { from: { seq: 24 }, to: null }]) {
        const later = yield* three.audit.verify("demo", range, operator)
        assert.deepInclude(later, { valid: true, accepted: verdict.accepted! })
      }
      assert.isEmpty(three.alarm.brokenUnsafe())
    }).pipe(quiet)
  )

  it.effect("is accepted once, whoever asks again, and only by naming the head that was signed last", () =>
    Effect.gen(function* () {
      const { accept, lost, lostPoints, verify, world } = yield* restored
      const wrong = [
        { seq: 22, hash: lost.hash },
        { seq: 23, hash: "0".repeat(64) },
        { seq: lostPoints[1]!.seq, hash: lostPoints[1]!.hash },
        { seq: 15, hash: rowsOf(world).at(-1)!.hash }
      ]
      for (const head of wrong) {
        assert.deepInclude(yield* Effect.flip(accept(head)), { _tag: "InvalidRequest", path: "lost" })
      }
      assert.isFalse((yield* verify).valid)
      const first = yield* accept()
      const rows = rowsOf(world).length
      assert.deepStrictEqual(yield* accept(lost, "another reason"), first)
      assert.lengthOf(rowsOf(world), rows)
      // What holds has nothing to accept.
      const head = { seq: first.seq, hash: first.hash }
      assert.deepInclude(yield* Effect.flip(accept(head)), { _tag: "InvalidRequest", path: "tenantId" })
    }).pipe(quiet)
  )

  it.effect(
    "is accepted in the tenant first; a row of global that a failure kept away is written by who asks again",
    () =>
      Effect.gen(function* () {
        const { accept, lost, verify, world } = yield* restored
        const told = () => world.tables.audit.get("global")!.filter(({ action }) => action === "audit.accepted").length
        const accepted = () => rowsOf(world).filter(({ action }) => action === "audit.accepted").length
        world.fates.set("demo", ["is not done"])
        yield* Effect.flip(accept())
        assert.deepStrictEqual([accepted(), told()], [0, 0])
        world.fates.delete("demo")
        world.fates.set("global", ["is not done"])
        assert.deepInclude(yield* Effect.flip(accept()), { _tag: "Unavailable", committed: true })
        assert.deepStrictEqual([accepted(), told()], [1, 0])
        world.fates.delete("global")
        const first = yield* accept()
        for (let turn = 0; turn < 2; turn++) {
          assert.deepStrictEqual(yield* accept(lost, "another reason"), first)
          assert.deepStrictEqual([accepted(), told()], [1, 1])
        }
        assert.isTrue((yield* verify).valid)
      }).pipe(quiet)
  )

  it.effect("is restored again, from either backup, and each loss is told", () =>
    Effect.gen(function* () {
      const { accept, lost, replica, restore, verify, world } = yield* restored
      yield* accept()
      yield* world.append("demo", 4)
      yield* replica.sweeps.checkpoint
      yield* verify
      const second = { seq: 20, hash: rowsOf(world).at(-1)!.hash }
      restore()
      yield* world.append("demo", 1)
      const three = yield* world.replica("three")
      const broken = yield* three.audit.verify("demo", whole, operator)
      assert.deepInclude(broken, { valid: false, lost: second })
      // The first loss is past; what is lost now is the second one.
      yield* Effect.flip(three.audit.accept("demo", { lost: { ...second, seq: 19 }, reason: "r" }, operator))
      const again = yield* three.audit.accept("demo", { lost: second, reason: "backup of monday, again" }, operator)
      assert.deepInclude(again, { seq: 14, number: 6 })
      yield* world.append("demo", 9)
      yield* three.sweeps.checkpoint
      const verdict = yield* three.audit.verify("demo", whole, operator)
      assert.isTrue(verdict.valid, JSON.stringify(verdict))
      assert.deepStrictEqual(
        verdict.accepted?.map((gap) => gap.lost),
        [lost, second]
      )
    }).pipe(quiet)
  )

  it.effect("tells of its gap though the stream has forgotten it, and though it has not heard of it yet", () =>
    Effect.gen(function* () {
      const { accept, lost, world } = yield* restored
      world.relay.isHeld = true
      yield* accept()
      const late = yield* world.replica("three")
      const verdict = yield* late.audit.verify("demo", whole, operator)
      assert.deepInclude(verdict, { valid: true, published: null })
      assert.deepStrictEqual(verdict.accepted?.[0]?.lost, lost)
      yield* late.sweeps.checkpoint
      assert.isEmpty(late.alarm.brokenUnsafe())
      // Forgotten, what was announced meanwhile included.
      world.published.splice(0)
      const four = yield* world.replica("four")
      assert.lengthOf((yield* four.audit.verify("demo", whole, operator)).accepted ?? [], 1)
    }).pipe(quiet)
  )
})

describe("somebody with the database alone", () => {
  /** The chain from row 5 on written anew, with counters that fit. */
  const forge = (world: World) => {
    let prevHash = genesisHash("demo")
    const rows = rowsOf(world)
      .filter(({ seq }) => seq !== 5)
      .map(({ hash: _, ...row }, index) => {
        const rest = { ...row, seq: index + 1, prevHash }
        prevHash = linkHash(rest)
        return { ...rest, hash: prevHash }
      })
    world.tables.audit.set("demo", rows)
    const counters = world.tables.counters.get("demo")!
    world.tables.counters.set("demo", { ...counters, auditSeq: rows.length, auditHash: prevHash })
  }
  const append = (world: World, diff: unknown, action = "audit.accepted") => {
    const rows = rowsOf(world)
    const last = rows.at(-1)!
    const { hash: prevHash } = last
    const row = {
      ...last,
      seq: last.seq + 1,
      action,
      entityId: "accepted-losses",
      diff: JSON.stringify(diff),
      prevHash
    }
    const { hash: _, ...rest } = row
    const hash = linkHash(rest)
    world.tables.audit.set("demo", [...rows, { ...rest, hash }])
    const counters = world.tables.counters.get("demo")!
    world.tables.counters.set("demo", { ...counters, auditSeq: row.seq, auditHash: hash })
  }

  it.effect("makes no acceptance: not one of its own, not another tenant's, not one of before", () =>
    Effect.gen(function* () {
      const { accept, lost, restore, verify, world } = yield* restored
      const point = yield* accept()
      yield* verify
      const said = JSON.parse(rowsOf(world).at(-1)!.diff!) as Record<string, unknown>
      const accepted = { ...(said.accepted as object), lost_seq: point.seq, lost_hash: point.hash }
      yield* world.append("demo", 5)
      restore()
      forge(world)
      const { auditHash, auditSeq } = world.tables.counters.get("demo")!
      const forged = [
        said,
        { ...said, seq: auditSeq, hash: auditHash, previous_seq: null, previous_hash: null, number: 9, accepted },
        { ...said, accepted }
      ]
      for (const diff of forged) {
        append(world, diff)
        const two = yield* world.replica(`after-${JSON.stringify(diff).length}`)
        yield* two.sweeps.checkpoint
        const verdict = yield* two.audit.verify("demo", whole, operator)
        assert.isFalse(verdict.valid)
        assert.deepStrictEqual(verdict.lost, { seq: point.seq, hash: point.hash })
        assert.deepStrictEqual(
          verdict.accepted?.map((gap) => gap.lost),
          [lost]
        )
      }
    }).pipe(quiet)
  )

  it.effect(
    "who wrote a tail anew gets it signed only by an operator who names the lost head; who broke it, never",
    () =>
      Effect.gen(function* () {
        const { lost, replica, verify, world } = yield* restored
        forge(world)
        yield* replica.sweeps.checkpoint
        assert.deepInclude(yield* verify, { valid: false, lost })
        const rows = [...rowsOf(world)]
        world.tables.audit.set("demo", rows.with(3, { ...rows[3]!, actor: "nobody" }))
        const refused = yield* Effect.flip(replica.audit.accept("demo", { lost, reason: "r" }, operator))
        assert.deepInclude(refused, { _tag: "InvalidRequest", path: "tenantId" })
        world.tables.audit.set("demo", rows)
        const point = yield* replica.audit.accept("demo", { lost, reason: "forged, and kept as evidence" }, operator)
        // Nothing that was signed is left of it, and the verdict says so.
        assert.isNull(point.previous)
        assert.isNull((yield* verify).accepted?.[0]?.kept)
      }).pipe(quiet)
  )

  it.effect("who puts given up checkpoints back, or cuts what was accepted off, is found", () =>
    Effect.gen(function* () {
      const { accept, lostPoints, verify, world } = yield* restored
      const point = yield* accept()
      yield* verify
      world.tables.checkpoints.push(...lostPoints.filter(({ seq }) => seq > 10))
      assert.isTrue((yield* verify).valid)
      const rows = rowsOf(world)
      world.tables.audit.set("demo", rows.slice(0, -2))
      const last = rows.at(-3)!
      const counters = world.tables.counters.get("demo")!
      world.tables.counters.set("demo", { ...counters, auditSeq: last.seq, auditHash: last.hash })
      assert.deepInclude(yield* verify, { valid: false, lost: { seq: point.seq, hash: point.hash } })
    }).pipe(quiet)
  )
})
