// Verifies R-AUD-6.
/** A chain that text broke which is no Unicode: a note makes exactly that row good, and no changed one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { type AuditRow, linkHash } from "../../../../src/store/AuditChain.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

type World = Effect.Success<typeof credentialWorld>

const operator = { principal: "OPERATOR/eve", known: busPrincipal.known, correlationId: "c-9" }
const whole = { from: null, to: null }
const rowsOf = (world: World) => world.tables.audit.get("demo")!

/** As the first release wrote rows: hashed as they were asked for, stored as the column gives them back. */
const former = (world: World, entityId: string) => {
  const counters = world.tables.counters.get("demo")!
  const nobody = { by: null, account: null, user: null, client: null, correlationId: null }
  const row: Omit<AuditRow, "hash"> = {
    ...{ tenantId: "demo", seq: counters.auditSeq + 1, at: 5, version: 1, actor: "mallory", ...nobody },
    ...{ action: "credential.refused", entityType: "credential", entityId, diff: '{"reason":"CredentialNotFound"}' },
    prevHash: counters.auditHash ?? ""
  }
  const hash = linkHash(row)
  rowsOf(world).push({ ...row, entityId: entityId.toWellFormed(), hash })
  world.tables.counters.set("demo", { ...counters, auditSeq: row.seq, auditHash: hash })
  return row.seq
}
const started = Effect.gen(function* () {
  const world = yield* credentialWorld
  const replica = yield* world.replica("one")
  yield* world.append("demo", 2)
  return { world, replica, verify: replica.audit.verify("demo", whole, operator) }
})

describe("a row that was stored as another text than was hashed", () => {
  for (const text of ["\ud800", "a\udfffb", "\ud83d/user", "\udc01\udc01\udc01\udc01", "\ufffd\ud900"]) {
    it.effect(`(${JSON.stringify(text)}) is found broken, and holds with a signed note, which the verdict says`, () =>
      Effect.gen(function* () {
        const { replica, verify, world } = yield* started
        const seq = former(world, text)
        yield* world.append("demo", 2)
        assert.deepInclude(yield* verify, { valid: false, firstBroken: { seq, reason: "the row was changed" } })
        yield* replica.sweeps.checkpoint
        assert.isFalse(world.tables.checkpoints.some(({ tenantId }) => tenantId === "demo"))
        yield* replica.audit.repair("demo", seq, operator)
        const note = rowsOf(world).at(-1)!
        assert.deepInclude(note, { action: "audit.repaired", actor: "OPERATOR/eve" })
        assert.deepInclude(yield* verify, { valid: true, checked: rowsOf(world).length, repaired: [seq] })
        // Told of in global, too; and the head is signed again.
        assert.isTrue(world.tables.audit.get("global")?.some(({ action }) => action === "audit.repaired"))
        yield* replica.sweeps.checkpoint
        assert.isTrue(world.tables.checkpoints.some((point) => point.tenantId === "demo" && point.seq === note.seq))
        // It says nothing of any other row, nor of that one changed later.
        const broken = (at: number, change: object) =>
          Effect.gen(function* () {
            const before = rowsOf(world)[at - 1]!
            rowsOf(world).splice(at - 1, 1, { ...before, ...change })
            assert.deepInclude((yield* verify).firstBroken, { seq: at })
            rowsOf(world).splice(at - 1, 1, before)
          })
        yield* broken(seq, { actor: "somebody" })
        yield* broken(seq, { diff: null })
        yield* broken(seq, { entityId: `${text.toWellFormed()}x` })
        yield* broken(seq - 1, { entityId: "other" })
        assert.isTrue((yield* verify).valid)
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
    )
  }

  it.effect("is not what a row is that was changed, or that holds, or that is not there: no note is made", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      const before = rowsOf(world)[1]!
      rowsOf(world).splice(1, 1, { ...before, entityId: "forged \ufffd" })
      for (const seq of [2, 3, 99]) {
        const error = yield* Effect.flip(replica.audit.repair("demo", seq, operator))
        assert.deepInclude(error, { _tag: "InvalidRequest", path: "seq" })
      }
      // Nor of a row of the first version that somebody edited.
      const seq = former(world, "x")
      rowsOf(world).splice(seq - 1, 1, { ...rowsOf(world)[seq - 1]!, entityId: "\ufffd" })
      assert.strictEqual((yield* Effect.flip(replica.audit.repair("demo", seq, operator)))._tag, "InvalidRequest")
      assert.isFalse(rowsOf(world).some(({ action }) => action === "audit.repaired"))
    })
  )

  it.effect("a note that nobody signed makes nothing good", () =>
    Effect.gen(function* () {
      const { replica, verify, world } = yield* started
      const seq = former(world, "\ud800")
      yield* replica.audit.repair("demo", seq, operator)
      assert.isTrue((yield* verify).valid)
      const note = rowsOf(world).at(-1)!
      const unsigned = JSON.stringify({ ...JSON.parse(note.diff!), signature: "AAAA" })
      const { hash: _, ...rest } = { ...note, diff: unsigned }
      const hash = linkHash(rest)
      rowsOf(world).splice(-1, 1, { ...rest, hash })
      world.tables.counters.set("demo", { ...world.tables.counters.get("demo")!, auditHash: hash })
      assert.deepInclude((yield* verify).firstBroken, { seq })
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})
