// Verifies R-AUD-8, R-AUD-9.
/** Cutting an audit: what is left verifies from a signed stub, and by no other; nothing goes that was not signed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { pieceRows } from "../../../../src/actors/audit/Cuts.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { genesisHash, linkHash } from "../../../../src/store/AuditChain.ts"
import type { AuditStub } from "../../../../src/store/AuditCuts.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

type World = Effect.Success<typeof credentialWorld>

const operator = { principal: "OPERATOR/eve", known: busPrincipal.known, correlationId: "c-9" }
const whole = { from: null, to: null }
const all = { ...whole, entityId: null, limit: 1000, after: null }
const rowsOf = (world: World) => world.tables.audit.get("demo")!
const seqs = (world: World) => rowsOf(world).map(({ seq }) => seq)
const quiet = Effect.provideService(References.MinimumLogLevel, "None")

/** Twenty-one rows, signed at 11 and at 16. */
const started = Effect.gen(function* () {
  const world = yield* credentialWorld
  const replica = yield* world.replica("one")
  yield* world.append("demo", 10)
  yield* replica.sweeps.checkpoint
  yield* world.append("demo", 5)
  yield* replica.sweeps.checkpoint
  yield* world.append("demo", 5)
  const verify = replica.audit.verify("demo", whole, operator)
  const cut = (seq: number) => replica.audit.cut("demo", { seq }, operator)
  return { world, replica, verify, cut }
})

/** A cut up to row 12 whose process died behind its stub: as before the rows went. */
const interrupted = Effect.gen(function* () {
  const all = yield* started
  const before = rowsOf(all.world).slice(0, 11)
  yield* all.cut(12)
  all.world.tables.audit.set("demo", [...before, ...rowsOf(all.world)])
  return { ...all, before, stub: all.world.tables.stubs.get("demo")! }
})

const unreadable = (stub: AuditStub, tenantId: string): AuditStub => ({
  ...stub,
  tenantId,
  get signature(): Uint8Array {
    throw new Error("a column that is not of its type")
  }
})

describe("a cut", () => {
  it.effect("takes rows up to a signed one, never beyond the newest; the rest verifies and is signed on", () =>
    Effect.gen(function* () {
      const { cut, replica, verify, world } = yield* started
      // Nothing before row 11 is signed.
      assert.isNull(yield* cut(11))
      assert.lengthOf(seqs(world), 21)
      const first = yield* cut(14)
      assert.deepInclude(first, { first: 1, last: 11, count: 11, by: "OPERATOR/eve", more: false })
      assert.deepStrictEqual(seqs(world)[0], 12)
      assert.deepInclude(yield* verify, { valid: true, checked: 11 })
      const second = yield* cut(1_000)
      assert.deepInclude(second, { first: 12, last: 16, count: 5 })
      assert.deepStrictEqual(seqs(world)[0], 17)
      // Behind it nothing is signed yet, and what somebody wrote into the database as signed is not.
      assert.isNull(yield* cut(1_000))
      const point = world.tables.checkpoints.find(({ seq, tenantId }) => tenantId === "demo" && seq === 16)!
      world.tables.checkpoints.push({ ...point, seq: 20, hash: rowsOf(world).find(({ seq }) => seq === 20)!.hash })
      assert.isNull(yield* cut(1_000))
      world.tables.checkpoints.pop()
      const verdict = yield* verify
      assert.deepInclude(verdict, { valid: true })
      assert.deepInclude(verdict.cut, { seq: 16, by: "OPERATOR/eve" })
      // Told in the chain itself and in the one of global.
      assert.deepInclude(rowsOf(world).at(-1), { action: "audit.cut", actor: "OPERATOR/eve" })
      assert.lengthOf(
        world.tables.audit.get("global")!.filter(({ action }) => action === "audit.cut"),
        2
      )
      yield* replica.sweeps.checkpoint
      const head = world.tables.checkpoints.filter(({ tenantId }) => tenantId === "demo").at(-1)
      assert.deepStrictEqual([head?.seq, head?.number], [seqs(world).at(-1), 3])
      // All that there is, and every range.
      yield* cut(1_000)
      assert.isTrue((yield* verify).valid)
      for (const from of [1, 5, 16, 17, 22, 23]) {
        assert.isTrue(
          (yield* replica.audit.verify("demo", { from: { seq: from }, to: null }, operator)).valid,
          `${from}`
        )
      }
      assert.isEmpty(replica.alarm.brokenUnsafe())
    })
  )

  it.effect("by a date goes up to the signed row before it, in pieces that are asked for again", () =>
    Effect.gen(function* () {
      const { replica, verify, world } = yield* started
      for (const [index, row] of rowsOf(world).entries()) assert.strictEqual(row.seq, index + 1)
      assert.isNull(yield* replica.audit.cut("demo", { at: rowsOf(world)[0]!.at }, operator))
      const answer = yield* replica.audit.cut("demo", { at: rowsOf(world).at(-1)!.at + 1 }, operator)
      assert.deepInclude(answer, { last: 16 })
      assert.isTrue((yield* verify).valid)
      assert.isAbove(pieceRows, 1_000)
    })
  )

  it.effect("that was interrupted after its stub shows nothing of what went, verifies, and is finished later", () =>
    Effect.gen(function* () {
      const { cut, replica, verify, world } = yield* started
      const before = rowsOf(world).slice(0, 11)
      yield* cut(12)
      // As before the rows went.
      world.tables.audit.set("demo", [...before, ...rowsOf(world)])
      assert.isTrue((yield* verify).valid)
      assert.strictEqual((yield* replica.audit.list("demo", all, operator)).content[0]?.seq, 12)
      assert.strictEqual((yield* replica.audit.listAny("demo", all, operator)).content[0]?.seq, 12)
      assert.strictEqual(yield* replica.sweeps.finishCuts, 11)
      assert.strictEqual(yield* replica.sweeps.finishCuts, 0)
      assert.strictEqual(seqs(world)[0], 12)
      assert.isTrue((yield* verify).valid)
    })
  )

  it.effect("that was interrupted is finished though another tenant's stub cannot be read", () =>
    Effect.gen(function* () {
      const { before, replica, stub, world } = yield* interrupted
      world.tables.audit.set("spoiled", before)
      world.tables.stubs.clear()
      world.tables.stubs.set("spoiled", unreadable(stub, "spoiled")).set("demo", stub)
      assert.strictEqual(yield* replica.sweeps.finishCuts, 11)
    }).pipe(quiet)
  )

  it.effect("that was interrupted is finished behind however many that cannot be, which do not fill the log", () =>
    Effect.gen(function* () {
      const { before, replica, stub, world } = yield* interrupted
      const names = Array.from({ length: 1_200 }, (_, n) => `a${String(n).padStart(4, "0")}`)
      for (const [n, tenantId] of names.entries()) {
        world.tables.audit.set(tenantId, before)
        // Of another tenant, or of nobody that can be read.
        world.tables.stubs.set(tenantId, n % 2 === 0 ? { ...stub, tenantId } : unreadable(stub, tenantId))
      }
      const lines: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])
      const pieces: Array<number> = []
      const finished = replica.sweeps.finishCuts.pipe(
        Effect.provide(logger),
        Effect.provideService(References.MinimumLogLevel, "Info")
      )
      for (let piece = 0; piece < 3; piece++) pieces.push(yield* finished)
      assert.strictEqual(seqs(world)[0], 12)
      // From the beginning again, where there is nothing more to do.
      pieces.push(yield* finished)
      assert.deepStrictEqual(pieces, [500, 500, 11, 500])
      assert.lengthOf(lines, 1)
    }).pipe(quiet)
  )

  it.effect(
    "that was interrupted is looked for again while there was something of one, whatever stands behind it",
    () =>
      Effect.gen(function* () {
        const { before, replica, stub, world } = yield* interrupted
        for (let n = 0; n < 600; n++) {
          const tenantId = `z${String(n).padStart(4, "0")}`
          world.tables.audit.set(tenantId, before)
          world.tables.stubs.set(tenantId, { ...stub, tenantId })
        }
        const pieces: Array<number> = []
        for (let piece = 0; piece < 4; piece++) pieces.push(yield* replica.sweeps.finishCuts)
        // Of a longer one there would have been more.
        assert.deepStrictEqual(pieces, [500, 11, 500, 0])
      }).pipe(quiet)
  )

  it.effect(
    "that was interrupted goes no further when its last row is another one by now: that stays as evidence",
    () =>
      Effect.gen(function* () {
        const { cut, replica, world } = yield* started
        const before = rowsOf(world).slice(0, 11)
        yield* cut(12)
        world.tables.audit.set("demo", [
          ...before.slice(0, 10),
          { ...before[10]!, hash: genesisHash("x") },
          ...rowsOf(world)
        ])
        const standing = rowsOf(world).length
        assert.strictEqual(yield* replica.sweeps.finishCuts, 0)
        assert.lengthOf(rowsOf(world), standing)
      }).pipe(quiet)
  )

  it.effect("is not made of a chain that was changed or written anew: it stays as evidence", () =>
    Effect.gen(function* () {
      const { cut, replica, world } = yield* started
      const whole = [...rowsOf(world)]
      const refused = Effect.gen(function* () {
        const length = rowsOf(world).length
        assert.deepInclude(yield* Effect.flip(cut(17)), { _tag: "InvalidRequest" })
        assert.lengthOf(rowsOf(world), length)
        assert.isFalse(world.tables.stubs.has("demo"))
        assert.deepStrictEqual(replica.alarm.brokenUnsafe(), ["demo"])
      })
      rowsOf(world).splice(4, 1, { ...whole[4]!, actor: "nobody" })
      yield* refused
      // A row dropped, and all after it hashed anew.
      let prevHash = genesisHash("demo")
      const anew = whole.toSpliced(4, 1).map(({ hash: _, ...row }, index) => {
        const rest = { ...row, seq: index + 1, prevHash }
        prevHash = linkHash(rest)
        return { ...rest, hash: prevHash }
      })
      world.tables.audit.set("demo", anew)
      yield* refused
    }).pipe(quiet)
  )

  it.effect("of a tenant that nobody knows is 404", () =>
    Effect.gen(function* () {
      const { replica } = yield* started
      const error = yield* Effect.flip(replica.audit.cut("nobody", { seq: 9 }, operator))
      assert.strictEqual(error._tag, "TenantNotFound")
    })
  )
})

describe("a stub that is not the service's own", () => {
  const forgeries: Readonly<Record<string, (good: AuditStub, foreign: AuditStub) => AuditStub>> = {
    "that nobody signed": (good) => ({ ...good, signature: new Uint8Array(64) }),
    "that says more than was signed": (good) => ({ ...good, last: 16 }),
    "with another hash": (good) => ({ ...good, hash: genesisHash("x") }),
    "by somebody else": (good) => ({ ...good, by: "nobody" }),
    "of another tenant": (_, foreign) => ({ ...foreign, tenantId: "demo" })
  }
  for (const [name, forge] of Object.entries(forgeries)) {
    it.effect(`(${name}) makes no row go, hides none, and is found`, () =>
      Effect.gen(function* () {
        const { cut, replica, verify, world } = yield* started
        yield* world.addTenant("other")
        yield* world.append("other", 10)
        yield* replica.sweeps.checkpoint
        yield* replica.audit.cut("other", { seq: 12 }, operator)
        const before = [...rowsOf(world)]
        yield* cut(12)
        const good = world.tables.stubs.get("demo")!
        world.tables.audit.set("demo", [...before, rowsOf(world).at(-1)!])
        world.tables.stubs.set("demo", forge(good, world.tables.stubs.get("other")!))
        assert.strictEqual(yield* replica.sweeps.finishCuts, 0)
        assert.lengthOf(rowsOf(world), before.length + 1)
        assert.strictEqual((yield* replica.audit.listAny("demo", all, operator)).content[0]?.seq, 1)
        const verdict = yield* verify
        assert.deepInclude(verdict, { valid: false })
        assert.match(verdict.firstBroken!.reason, /stub/u)
        // Nor is such a chain signed or cut.
        const signed = world.tables.checkpoints.length
        yield* replica.sweeps.checkpoint
        assert.isFalse(world.tables.checkpoints.slice(signed).some(({ tenantId }) => tenantId === "demo"))
        assert.strictEqual((yield* Effect.flip(cut(17)))._tag, "InvalidRequest")
      }).pipe(quiet)
    )
  }

  it.effect("more rows deleted than the stub says, an older stub in its place, or none, is found", () =>
    Effect.gen(function* () {
      const { cut, verify, world } = yield* started
      yield* cut(12)
      const older = world.tables.stubs.get("demo")!
      const rows = [...rowsOf(world)]
      world.tables.audit.set("demo", rows.slice(1))
      assert.deepInclude(yield* verify, { valid: false, firstBroken: { seq: 12, reason: "the row is missing" } })
      world.tables.audit.set("demo", rows)
      yield* cut(17)
      world.tables.stubs.set("demo", older)
      assert.deepInclude(yield* verify, { valid: false, firstBroken: { seq: 12, reason: "the row is missing" } })
      world.tables.stubs.delete("demo")
      assert.deepInclude(yield* verify, { valid: false, firstBroken: { seq: 1, reason: "the row is missing" } })
    }).pipe(quiet)
  )
})

describe("the retention of a removed tenant's audit", () => {
  const removed = Effect.gen(function* () {
    const begun = yield* started
    yield* begun.world.removeTenant("demo")
    begun.world.tables.pending.clear()
    yield* begun.world.sweeps.purgeRemoved
    assert.isFalse(begun.world.tables.tenants.has("demo"))
    return begun
  })

  it.effect(
    "ends in its erasure, signed for and told in the audit of global; a new tenant's chain goes on from it",
    () =>
      Effect.gen(function* () {
        const { replica, world } = yield* removed
        assert.strictEqual(yield* replica.sweeps.retain, 0)
        assert.lengthOf(rowsOf(world), 21)
        yield* TestClock.adjust("91 minutes")
        const { auditHash, auditSeq } = world.tables.counters.get("demo")!
        assert.isAbove(yield* replica.sweeps.retain, 0)
        while ((yield* replica.sweeps.retain) > 0) assert.isNotEmpty(rowsOf(world))
        assert.isEmpty(rowsOf(world))
        const told = world.tables.audit.get("global")!.filter(({ action }) => action === "audit.cut")
        const last = JSON.parse(told.at(-1)!.diff!)
        assert.deepInclude(last, { last: auditSeq, hash: auditHash })
        assert.deepInclude(told.at(-1), { actor: "sweep", entityId: "demo" })
        yield* world.addTenant("demo")
        yield* world.append("demo", 2)
        assert.deepStrictEqual(seqs(world), [auditSeq + 1, auditSeq + 2, auditSeq + 3])
        assert.deepInclude(yield* replica.audit.verify("demo", whole, operator), { valid: true, checked: 3 })
        yield* replica.sweeps.checkpoint
        assert.isEmpty(replica.alarm.brokenUnsafe())
      })
  )

  it.effect("does not touch one that is broken, nor a tenant that lives", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* removed
      yield* TestClock.adjust("91 minutes")
      rowsOf(world).splice(18, 1, { ...rowsOf(world)[18]!, actor: "nobody" })
      yield* replica.sweeps.retain
      assert.lengthOf(rowsOf(world), 21)
      assert.include(replica.alarm.brokenUnsafe(), "demo")
      assert.isFalse(world.tables.stubs.has("global"))
    }).pipe(quiet)
  )
})
