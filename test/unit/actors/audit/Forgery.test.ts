// Verifies R-AUD-3.
/** Somebody who writes the database as they like, and has no key: nothing of theirs is signed, and it is seen. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { genesisHash, linkHash } from "../../../../src/store/AuditChain.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

type World = Effect.Success<typeof credentialWorld>

const someone = { ...busPrincipal, correlationId: "c" }
const whole = { from: null, to: null }
const started = Effect.gen(function* () {
  const world = yield* credentialWorld
  const replica = yield* world.replica("one")
  yield* world.append("demo", 9)
  yield* replica.sweeps.checkpoint
  yield* world.append("demo", 3)
  return { world, replica }
})
const checkpoints = (world: World) => world.tables.checkpoints.filter(({ tenantId }) => tenantId === "demo")
const announced = (world: World) =>
  world.events().filter(({ body, headers }) => headers["ce-type"] === "audit.checkpoint" && body.tenant_id === "demo")

/** The rows without those of `dropped`, renumbered and hashed anew, with counters that fit. */
const rewrite = (world: World, dropped: (seq: number) => boolean) => {
  let prevHash = genesisHash("demo")
  const rows = (world.tables.audit.get("demo") ?? [])
    .filter(({ seq }) => !dropped(seq))
    .map(({ hash: _, ...row }, index) => {
      const rest = { ...row, seq: index + 1, prevHash }
      prevHash = linkHash(rest)
      return { ...rest, hash: prevHash }
    })
  world.tables.audit.set("demo", rows)
  const counters = world.tables.counters.get("demo")!
  world.tables.counters.set("demo", { ...counters, auditSeq: rows.length, auditHash: prevHash })
}
const deleteCheckpoints = (world: World) =>
  void world.tables.checkpoints.splice(
    0,
    Infinity,
    ...world.tables.checkpoints.filter((one) => one.tenantId !== "demo")
  )

const attacks: Readonly<Record<string, (world: World) => void>> = {
  "a row dropped in the middle": (world) => rewrite(world, (seq) => seq === 5),
  "the tail cut off": (world) => rewrite(world, (seq) => seq > 4),
  "everything dropped": (world) => rewrite(world, () => true),
  "every row but the first dropped": (world) => rewrite(world, (seq) => seq > 1)
}

describe("a chain written anew, with hashes and counters that fit and no checkpoints", () => {
  for (const [name, attack] of Object.entries(attacks)) {
    for (const restarted of [false, true]) {
      it.effect(`(${name}${restarted ? ", and the service started again" : ""}) is found and never signed`, () =>
        Effect.gen(function* () {
          const { replica, world } = yield* started
          yield* replica.audit.verify("demo", whole, someone)
          const before = announced(world)
          assert.lengthOf(before, 1)
          attack(world)
          deleteCheckpoints(world)
          const service = restarted ? yield* world.replica("two") : replica
          for (let turn = 0; turn < 3; turn++) {
            yield* service.sweeps.checkpoint
            // Rows that come later do not make it good.
            yield* world.append("demo", 5)
          }
          assert.deepStrictEqual([checkpoints(world), announced(world)], [[], before])
          assert.deepStrictEqual(service.alarm.brokenUnsafe(), ["demo"])
          const verdict = yield* service.audit.verify("demo", whole, someone)
          assert.isFalse(verdict.valid)
          assert.deepStrictEqual(verdict.published?.seq, 10)
          // What is signed for others goes on.
          yield* world.append("global", 1)
          yield* service.sweeps.checkpoint
          assert.isTrue((yield* service.audit.verify("global", whole, someone)).valid)
          assert.isTrue(world.tables.checkpoints.some(({ seq, tenantId }) => tenantId === "global" && seq >= 2))
        }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
      )
    }
  }

  it.effect("is found though no row is left of it, and none comes", () =>
    Effect.gen(function* () {
      for (const forget of [(_: World) => {}, deleteCheckpoints]) {
        const { replica, world } = yield* started
        rewrite(world, () => true)
        forget(world)
        yield* replica.sweeps.checkpoint
        assert.deepStrictEqual(replica.alarm.brokenUnsafe(), ["demo"])
        assert.strictEqual(
          ((yield* Effect.flip(replica.audit.sign("demo", someone))) as { readonly reason?: string }).reason,
          "its audit is broken at 1: the row is missing"
        )
      }
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("is found though an old checkpoint is announced again, and one that nobody signed", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      yield* replica.sweeps.checkpoint
      yield* replica.audit.verify("demo", whole, someone)
      const [old, newest] = announced(world)
      assert.deepStrictEqual([old?.body.seq, newest?.body.seq], [10, 13])
      rewrite(world, (seq) => seq > 10)
      deleteCheckpoints(world)
      // As through the outbox: the same signed words, later.
      world.published.push(world.published.find((point) => point?.tenantId === "demo" && point.seq === 10)!)
      const two = yield* world.replica("two")
      yield* two.sweeps.checkpoint
      assert.isEmpty(checkpoints(world))
      const verdict = yield* two.audit.verify("demo", whole, someone)
      assert.deepStrictEqual([verdict.valid, verdict.firstBroken?.seq, verdict.published?.seq], [false, 11, 13])
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("is found though the newest row that is signed is the newest that there is", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      yield* replica.sweeps.checkpoint
      const counters = world.tables.counters.get("demo")!
      assert.strictEqual(counters.auditSeq, checkpoints(world).at(-1)?.seq)
      const rows = [...(world.tables.audit.get("demo") ?? [])]
      const refused = Effect.gen(function* () {
        const two = yield* world.replica("two")
        yield* two.sweeps.checkpoint
        assert.deepStrictEqual(two.alarm.brokenUnsafe(), ["demo"])
        return (yield* Effect.flip(two.audit.sign("demo", someone))) as { readonly reason?: string }
      })
      for (const [changed, reason] of [
        [{ ...counters, auditHash: genesisHash("another") }, "13: the row is not the one that was counted"],
        [{ ...counters, auditSeq: 11, auditHash: rows[10]!.hash }, "12: the row is missing"]
      ] as const) {
        world.tables.counters.set("demo", changed)
        assert.strictEqual((yield* refused).reason, `its audit is broken at ${reason}`)
      }
      world.tables.counters.set("demo", counters)
      const at = world.tables.checkpoints.findIndex(({ seq, tenantId }) => tenantId === "demo" && seq === 13)
      const good = world.tables.checkpoints[at]!
      world.tables.checkpoints[at] = { ...good, signature: new Uint8Array(64) }
      assert.strictEqual((yield* refused).reason, "its audit is broken at 13: the signed checkpoint is not good")
      world.tables.checkpoints[at] = good
      const three = yield* world.replica("three")
      yield* three.sweeps.checkpoint
      assert.isEmpty(three.alarm.brokenUnsafe())
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("a checkpoint that nobody signed makes no chain good, and is found", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      assert.isTrue((yield* replica.audit.verify("demo", whole, someone)).valid)
      const point = world.published.find((one) => one?.tenantId === "demo")!
      rewrite(world, (seq) => seq === 5)
      deleteCheckpoints(world)
      // As through the outbox: the forged head, in the place of the newest that was signed.
      const { auditHash, auditSeq } = world.tables.counters.get("demo")!
      world.published.push({ ...point, seq: auditSeq, hash: auditHash!, number: 2 })
      yield* world.append("demo", 3)
      const two = yield* world.replica("two")
      yield* two.sweeps.checkpoint
      assert.isEmpty(checkpoints(world))
      assert.isFalse((yield* two.audit.verify("demo", whole, someone)).valid)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})

describe("an honest chain", () => {
  it.effect("is signed on, each checkpoint naming the one before it, over a restart and without the database's", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      yield* replica.sweeps.checkpoint
      deleteCheckpoints(world)
      yield* world.append("demo", 2)
      const two = yield* world.replica("two")
      yield* two.sweeps.checkpoint
      yield* two.sweeps.checkpoint
      const told = announced(world).map(({ body }) => [body.number, body.seq, body.previous_seq])
      assert.deepStrictEqual(told, [
        [1, 10, null],
        [2, 13, 10],
        [3, 15, 13]
      ])
      const verdict = yield* two.audit.verify("demo", whole, someone)
      assert.deepStrictEqual([verdict.valid, verdict.checked, verdict.published?.seq], [true, 15, 15])
      assert.isEmpty(two.alarm.brokenUnsafe())
      // Who is started later finds it signed.
      const three = yield* world.replica("three")
      yield* three.sweeps.checkpoint
      assert.deepStrictEqual([announced(world).length, checkpoints(world).length], [3, 1])
    })
  )
})
