// Verifies R-TOK-3, R-ACT-6, R-LIM-5, R-RUN-16.
/** First uses on their way to the tenants' actors, over actors that do as they are told. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { AnyCommand } from "../../../../src/actors/tenant/Command.ts"
import { TenantActors } from "../../../../src/actors/tenant/TenantActors.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import * as UseRecorder from "../../../../src/actors/tenant/UseRecorder.ts"
import * as errors from "../../../../src/domain/errors.ts"
import { countingSleeps } from "../../../support/sleepsAsked.ts"

interface Asked {
  readonly tenantId: string
  readonly ids: ReadonlyArray<string>
  readonly caller: Caller
}

const world = Effect.gen(function* () {
  const asked: Array<Asked> = []
  const forgotten: Array<string> = []
  const behaviour: { answer: (one: Asked) => Effect.Effect<unknown, errors.Unavailable | errors.TenantNotFound> } = {
    answer: () => Effect.void
  }
  const pieces = new Map<AnyCommand, Asked>()
  const actors = Layer.mock(TenantActors, {
    isResidentUnsafe: () => true,
    residentUnsafe: () => 0,
    waitingUnsafe: () => 0,
    ask: (tenantId, command) =>
      Effect.suspend(() => {
        const one = { ...pieces.get(command)!, tenantId }
        asked.push(one)
        return behaviour.answer(one) as Effect.Effect<never, errors.Unavailable>
      })
  })
  const scope = yield* Scope.make()
  const recorder = yield* UseRecorder.make({
    name: "test",
    command: (ids, caller) => {
      const command: AnyCommand = { name: "test", caller, load: {}, decide: () => Result.succeed(0) }
      pieces.set(command, { tenantId: "", ids, caller })
      return command
    },
    forgotten: (id) => forgotten.push(id)
  }).pipe(Effect.provide(actors), Scope.provide(scope))
  return { ...recorder, asked, behaviour, forgotten, stop: Scope.close(scope, Exit.void) }
})

const away = new errors.Unavailable({ part: "database", committed: false })
const ids = (from: number, count: number) => Array.from({ length: count }, (_, n) => `id ${from + n}`)
const recorded = ({ asked }: { readonly asked: ReadonlyArray<Asked> }) => asked.flatMap((one) => one.ids)

describe("first uses", () => {
  it.effect("are recorded once each, in pieces, by the sweep, under the correlation id of their turn", () =>
    Effect.gen(function* () {
      const uses = yield* world
      for (const id of [...ids(0, 600), ...ids(0, 600)]) uses.tellUnsafe("acme", id)
      yield* TestClock.adjust("150 millis")
      assert.deepStrictEqual(recorded(uses), ids(0, 600))
      assert.strictEqual(uses.asked.length, 3)
      for (const { caller } of uses.asked) {
        assert.strictEqual(caller.principal, "sweep")
        assert.match(caller.correlationId, /^[0-9a-f]{32}$/u)
      }
      yield* uses.stop
    })
  )

  it.effect("cost no timer while there are none, and are recorded as early after a rest", () =>
    countingSleeps((sleeps) =>
      Effect.gen(function* () {
        const uses = yield* world
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(sleeps(), 0)
        for (const [turn, id] of ids(0, 3).entries()) {
          uses.tellUnsafe("acme", id)
          yield* TestClock.adjust("100 millis")
          assert.deepStrictEqual(recorded(uses), ids(0, turn + 1))
        }
        yield* TestClock.adjust("1 hour")
        const before = sleeps()
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(sleeps(), before)
        yield* uses.stop
      })
    )
  )

  it.effect("that are wanted now while the mailbox refuses at once are asked for once, and wait for their turn", () =>
    Effect.gen(function* () {
      const uses = yield* world
      uses.behaviour.answer = ({ ids: asked }) => {
        if (uses.asked.length > 100) throw new Error("asked for without an end")
        return asked.length === 0 ? Effect.void : Effect.fail(away)
      }
      for (const id of ids(0, 600)) uses.tellUnsafe("acme", id)
      uses.recordNowUnsafe("acme")
      assert.strictEqual(uses.asked.length, 3)
      uses.behaviour.answer = () => Effect.void
      yield* TestClock.adjust("150 millis")
      assert.sameMembers(recorded(uses).slice(600), ids(0, 600))
      yield* uses.stop
    })
  )

  it.effect("that could not be recorded are tried again; of a tenant that is gone they are not", () =>
    Effect.gen(function* () {
      const uses = yield* world
      uses.behaviour.answer = ({ tenantId }) =>
        Effect.fail(tenantId === "gone" ? new errors.TenantNotFound({ tenantId }) : away)
      uses.tellUnsafe("acme", "a")
      uses.tellUnsafe("gone", "b")
      yield* TestClock.adjust("150 millis")
      uses.behaviour.answer = () => Effect.void
      yield* TestClock.adjust("150 millis")
      assert.deepStrictEqual(
        uses.asked.map((one) => one.ids[0]),
        ["a", "b", "a"]
      )
      assert.deepStrictEqual(uses.forgotten, [])
      yield* uses.stop
    })
  )

  it.effect("are asked for once a turn while that fails, however many there are", () =>
    Effect.gen(function* () {
      const bug = Effect.die(new Error("planted"))
      for (const fails of [Effect.fail(away), bug]) {
        const uses = yield* world
        uses.behaviour.answer = () => (uses.asked.length > 100 ? Effect.never : fails)
        for (const id of ids(0, 600)) uses.tellUnsafe("acme", id)
        for (let turn = 1; turn <= 3; turn++) {
          yield* TestClock.adjust("100 millis")
          assert.lengthOf(uses.asked, turn)
        }
        uses.behaviour.answer = () => Effect.void
        yield* uses.stop
      }
    })
  )

  it.effect("that met a bug, or for which there is no room, are told again at the next use", () =>
    Effect.gen(function* () {
      const uses = yield* world
      uses.behaviour.answer = () => Effect.die(new Error("planted"))
      uses.tellUnsafe("acme", "a")
      yield* TestClock.adjust("150 millis")
      assert.deepStrictEqual(uses.forgotten, ["a"])
      uses.behaviour.answer = () => Effect.never
      for (let n = 0; n < UseRecorder.pendingMax; n++) uses.tellUnsafe("acme", `n ${n}`)
      uses.tellUnsafe("acme", "one too many")
      assert.deepStrictEqual(uses.forgotten, ["a", "one too many"])
      uses.behaviour.answer = () => Effect.void
      yield* Effect.forkChild(uses.stop, { startImmediately: true })
      yield* TestClock.adjust("11 seconds")
    })
  )

  it.effect("are all in the mailbox before a change that is asked afterwards", () =>
    Effect.gen(function* () {
      const uses = yield* world
      for (const id of ids(0, 600)) uses.tellUnsafe("acme", id)
      uses.tellUnsafe("beta", "other")
      uses.recordNowUnsafe("acme")
      yield* Effect.yieldNow
      assert.deepStrictEqual(recorded(uses), ids(0, 600))
      yield* uses.stop
    })
  )

  /** Answers when it is told to; `most` says how many were asked at a time. */
  const held = (uses: Effect.Success<typeof world>) => {
    const under = { way: 0, most: 0 }
    const ends: Array<Deferred.Deferred<void>> = []
    uses.behaviour.answer = () =>
      Effect.gen(function* () {
        under.most = Math.max(under.most, ++under.way)
        const end = yield* Deferred.make<void>()
        ends.push(end)
        yield* Deferred.await(end)
        under.way--
      })
    const endAll = Effect.suspend(() =>
      Effect.forEach(ends.splice(0), (end) => Deferred.succeed(end, undefined), { discard: true })
    )
    return { endAll, ends, under }
  }
  const namesOf = (asked: ReadonlyArray<Asked>) => asked.map(({ tenantId }) => tenantId)

  it.effect("of however many tenants are asked for a few at a time, piece by piece in turns", () =>
    Effect.gen(function* () {
      const uses = yield* world
      const [tenants, each] = [20, 3 * UseRecorder.pieceMax]
      const { endAll, under } = held(uses)
      for (let n = 0; n < tenants; n++) for (const id of ids(n * each, each)) uses.tellUnsafe(`tenant ${n}`, id)
      while (recorded(uses).length < tenants * each || under.way > 0) {
        yield* TestClock.adjust("100 millis")
        yield* endAll
      }
      assert.strictEqual(under.most, UseRecorder.piecesAtOnce)
      assert.lengthOf(
        new Set(namesOf(uses.asked.slice(0, tenants))),
        tenants,
        "one has its second turn before another its first"
      )
      assert.lengthOf(new Set(recorded(uses)), tenants * each)
      assert.isTrue(uses.asked.every(({ ids: some }) => some.length > 0))
      yield* uses.stop
    })
  )

  it.effect("of tenants that are slow hold nobody up while they are few, and are no more at a time then", () =>
    Effect.gen(function* () {
      const uses = yield* world
      const { endAll, under } = held(uses)
      const slow = UseRecorder.piecesAtOnce
      const quickBehind = Effect.fnUntraced(function* (kind: string) {
        const before = uses.asked.length
        for (let n = 0; n < slow; n++) uses.tellUnsafe(`${kind} ${n}`, `${kind} ${n}`)
        yield* TestClock.adjust("100 millis")
        uses.tellUnsafe("quick", `${kind} q`)
        yield* TestClock.adjust("300 millis")
        assert.lengthOf(uses.asked, before + slow)
        yield* TestClock.adjust("300 millis")
        assert.strictEqual(uses.asked.at(-1)?.tenantId, "quick")
      })
      const allEnd = Effect.gen(function* () {
        while (under.way > 0) {
          yield* endAll
          yield* TestClock.adjust("100 millis")
        }
      })
      yield* quickBehind("slow")
      // As many slow ones again have the places for good.
      for (let n = 0; n < 2 * slow; n++) uses.tellUnsafe(`slower ${n}`, `t ${n}`)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(under.way, UseRecorder.piecesAtOnce + UseRecorder.slowMax)
      yield* allEnd
      assert.lengthOf(new Set(recorded(uses)), slow + 1 + 2 * slow)
      // And nothing of that is remembered.
      yield* quickBehind("again")
      yield* allEnd
      under.most = 0
      for (let n = 0; n < 20; n++) uses.tellUnsafe(`tenant ${n}`, `u ${n}`)
      yield* TestClock.adjust("150 millis")
      assert.strictEqual(under.most, UseRecorder.piecesAtOnce)
      const stopping = yield* Effect.forkChild(uses.stop, { startImmediately: true })
      while (stopping.pollUnsafe() === undefined) {
        yield* endAll
        yield* Effect.yieldNow
      }
      assert.isAbove(under.most, UseRecorder.piecesAtOnce)
      assert.isAtMost(under.most, UseRecorder.piecesAtOnce + UseRecorder.piecesAtEnd)
      assert.lengthOf(new Set(recorded(uses)), 2 * (slow + 1) + 2 * slow + 20)
    })
  )

  it.effect("that wait for a turn are asked for at once when they are wanted now, and not again", () =>
    Effect.gen(function* () {
      const uses = yield* world
      const { endAll, under } = held(uses)
      for (let n = 0; n < 20; n++) uses.tellUnsafe(`tenant ${n}`, `u ${n}`)
      yield* TestClock.adjust("150 millis")
      uses.recordNowUnsafe("tenant 19")
      yield* TestClock.adjust("0 millis")
      assert.strictEqual(uses.asked.at(-1)?.tenantId, "tenant 19")
      while (under.way > 0) {
        yield* endAll
        yield* TestClock.adjust("100 millis")
      }
      assert.sameMembers(
        recorded(uses),
        Array.from({ length: 20 }, (_, n) => `u ${n}`)
      )
      assert.isTrue(uses.asked.every(({ ids: some }) => some.length > 0))
      yield* uses.stop
    })
  )

  it.effect("that a stop has no time for are counted in the log", () =>
    Effect.gen(function* () {
      const said: Array<unknown> = []
      const log = Logger.make(({ message }) => void said.push(message))
      yield* Effect.gen(function* () {
        const uses = yield* world
        uses.behaviour.answer = () => Effect.never
        for (let n = 0; n < 20; n++) uses.tellUnsafe(`tenant ${n}`, `u ${n}`)
        yield* TestClock.adjust("150 millis")
        const stopping = yield* Effect.forkChild(uses.stop, { startImmediately: true })
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(stopping)
      }).pipe(Effect.provide(Logger.layer([log])))
      assert.deepStrictEqual(said, [["first uses were left unrecorded", { of: "test", count: 20 }]])
    })
  )

  it.effect("are recorded, also a single one that was told while its tenant was busy", () =>
    Effect.gen(function* () {
      const uses = yield* world
      const hold = yield* Deferred.make<void>()
      uses.behaviour.answer = () => Deferred.await(hold)
      uses.tellUnsafe("acme", "first")
      yield* TestClock.adjust("150 millis")
      uses.tellUnsafe("acme", "second")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(recorded(uses), ["first"])
      yield* Deferred.succeed(hold, undefined)
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(recorded(uses), ["first", "second"])
      yield* uses.stop
    })
  )

  it.effect("are recorded before an orderly stop, those of a tenant that was busy too", () =>
    Effect.gen(function* () {
      const uses = yield* world
      const hold = yield* Deferred.make<void>()
      uses.behaviour.answer = () => Deferred.await(hold)
      uses.tellUnsafe("acme", "first")
      yield* TestClock.adjust("150 millis")
      for (const id of ids(0, 600)) uses.tellUnsafe("acme", id)
      uses.tellUnsafe("beta", "last")
      const stopping = yield* Effect.forkChild(uses.stop, { startImmediately: true })
      yield* Deferred.succeed(hold, undefined)
      while (stopping.pollUnsafe() === undefined) yield* Effect.yieldNow
      assert.sameMembers(recorded(uses), ["first", ...ids(0, 600), "last"])
    })
  )
})

describe("a change on the heels of a first use", () => {
  it.effect("is asked again while it is refused as unused, and the last word is final", () =>
    Effect.gen(function* () {
      const finals: Array<boolean> = []
      const ask = (isFinal: boolean) => {
        finals.push(isFinal)
        return Effect.fail("unused" as const)
      }
      const asking = yield* Effect.forkChild(
        Effect.result(UseRecorder.asUsed(ask, (outcome) => Result.isFailure(outcome))),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 seconds")
      const outcome = asking.pollUnsafe()
      assert.deepStrictEqual(outcome, Exit.succeed(Result.fail("unused" as const)))
      assert.isAbove(finals.length, 4)
      assert.deepStrictEqual(
        Array.from(finals.entries()).filter(([, isFinal]) => isFinal),
        [[finals.length - 1, true]]
      )
    })
  )

  it.effect("is answered with whatever else comes, at once", () =>
    Effect.gen(function* () {
      let count = 0
      const ask = () => Effect.suspend(() => (++count === 1 ? Effect.fail("unused") : Effect.fail("else")))
      const asking = yield* Effect.forkChild(
        Effect.result(UseRecorder.asUsed(ask, (outcome) => Result.isFailure(outcome) && outcome.failure === "unused")),
        { startImmediately: true }
      )
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(asking.pollUnsafe(), Exit.succeed(Result.fail("else")))
      assert.strictEqual(count, 2)
    })
  )
})
