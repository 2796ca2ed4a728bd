// Verifies R-RUN-16, R-TOK-4.
/** One look for all that look as often: nobody later than by itself, whatever becomes of it. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as DueLooks from "../../../src/store/DueLooks.ts"
import { type Ages, DueWork, type Sought, type Work } from "../../../src/store/DueWork.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { countingSleeps } from "../../support/sleepsAsked.ts"

const away = new StoreUnavailable({ operation: "DueWork.look", outcome: "none" })
const ended = "tokens that ended"
const removed = "applications or tenants that were removed"
const answers = "answers that are too old"

const world = Effect.gen(function* () {
  const looks: Array<{ readonly work: ReadonlyArray<Work>; readonly ages: Ages }> = []
  const found = new Set<Work>()
  const state = { answer: Effect.succeed(found) as Effect.Effect<ReadonlySet<Work>, StoreUnavailable> }
  const { seek } = yield* DueLooks.make((work, ages) =>
    Effect.suspend(() => {
      looks.push({ work, ages })
      return state.answer
    })
  )
  /** A loop that does what there is, at each turn; how many turns it had so far. */
  const loop = Effect.fnUntraced(function* (sought: Partial<Sought> & Pick<Sought, "work">) {
    const turns = { count: 0, during: Effect.void as Effect.Effect<void> }
    const some = yield* seek({ every: "1 second", ...sought })
    const turn = Effect.suspend(() => {
      turns.count++
      for (const work of sought.work) found.delete(work)
      return turns.during
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(some, turn)))
    return turns
  })
  return { found, looks, loop, state }
})

describe("looks for work that is due", () => {
  it.effect("are one for all that look as often, and wake those whose work there is", () =>
    Effect.gen(function* () {
      const { found, looks, loop } = yield* world
      const [one, two] = [yield* loop({ work: [ended] }), yield* loop({ work: [removed, answers] })]
      const seldom = yield* loop({ work: [removed], every: "2 seconds" })
      yield* TestClock.adjust("4 seconds")
      assert.lengthOf(
        looks.filter(({ work }) => work.length === 3),
        4
      )
      assert.lengthOf(
        looks.filter(({ work }) => work.length === 1),
        2
      )
      assert.deepStrictEqual([one.count, two.count, seldom.count], [0, 0, 0])
      for (const work of [answers, ended] as const) {
        found.add(work)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual([one.count, two.count, seldom.count], [1, 1, 0])
    })
  )

  it.effect("see what has come within the time that its loop named, however long there was none", () =>
    Effect.gen(function* () {
      const { found, loop } = yield* world
      const often = yield* loop({ work: [ended], every: "500 millis" })
      const seldom = yield* loop({ work: [removed], every: "1 minute" })
      yield* TestClock.adjust("1 hour")
      found.add(ended).add(removed)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual([often.count, seldom.count], [1, 0])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([often.count, seldom.count], [1, 1])
    })
  )

  it.effect("that fail let each loop look by itself, as often as it would", () =>
    Effect.gen(function* () {
      const { loop, state } = yield* world
      const [one, two] = [yield* loop({ work: [ended] }), yield* loop({ work: [removed] })]
      state.answer = Effect.fail(away)
      for (let second = 1; second <= 3; second++) {
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([one.count, two.count], [second, second])
      }
    })
  )

  it.effect("that do not come back do so too, and what they bring at last counts", () =>
    Effect.gen(function* () {
      const { found, loop, looks, state } = yield* world
      const [one, two] = [yield* loop({ work: [ended] }), yield* loop({ work: [removed] })]
      const back = yield* Deferred.make<ReadonlySet<Work>>()
      state.answer = Deferred.await(back)
      // It begins after a second.
      for (let second = 0; second <= 3; second++) {
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([one.count, two.count], [second, second])
      }
      assert.lengthOf(looks, 1)
      yield* Deferred.succeed(back, new Set<Work>([removed]))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([one.count, two.count], [3, 4])
      state.answer = Effect.succeed(found)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(looks, 2)
      assert.deepStrictEqual([one.count, two.count], [3, 4])
    })
  )

  it.effect("that die are told, and are followed by others; the loops look by themselves meanwhile", () =>
    Effect.gen(function* () {
      const { found, loop, looks, state } = yield* world
      const one = yield* loop({ work: [ended] })
      state.answer = Effect.die(new Error("planted"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(one.count, 1)
      state.answer = Effect.succeed(found)
      yield* TestClock.adjust("1 minute")
      assert.isAtLeast(looks.length, 50)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("that are interrupted are followed by others; the loops look by themselves meanwhile", () =>
    Effect.gen(function* () {
      const { found, loop, looks, state } = yield* world
      const one = yield* loop({ work: [ended] })
      state.answer = Effect.interrupt
      yield* TestClock.adjust("1 second")
      assert.strictEqual(one.count, 1)
      state.answer = Effect.succeed(found)
      found.add(ended)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([looks.length, one.count], [2, 2])
    })
  )

  it.effect("wake again who was at work when more was found", () =>
    Effect.gen(function* () {
      const { found, loop } = yield* world
      const one = yield* loop({ work: [ended] })
      found.add(ended)
      const done = yield* Deferred.make<void>()
      one.during = Deferred.await(done)
      yield* TestClock.adjust("1 second")
      found.add(ended)
      one.during = Effect.void
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(done, undefined)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(one.count, 2)
    })
  )

  it.effect("are told how old what they look for may be, and ask no more for a loop that ended", () =>
    Effect.gen(function* () {
      const { looks, loop } = yield* world
      const scope = yield* Scope.make()
      yield* loop({ work: [answers], ages: { answersMs: 7 } })
      yield* Effect.provide(loop({ work: [ended], ages: { noticeMs: 8 } }), Context.make(Scope.Scope, scope))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(looks, [{ work: [answers, ended], ages: { answersMs: 7, noticeMs: 8 } }])
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(looks.slice(1), [{ work: [answers], ages: { answersMs: 7 } }])
    })
  )

  it.effect("cost one timer and a limit each, however many loops there are", () =>
    countingSleeps((sleeps) =>
      Effect.gen(function* () {
        const { looks, loop } = yield* world
        for (let n = 0; n < 10; n++) yield* loop({ work: [ended] })
        const before = sleeps()
        yield* TestClock.adjust("1 minute")
        assert.lengthOf(looks, 60)
        assert.isAtMost(sleeps() - before, 121)
      })
    )
  )

  it.effect("are not there without a layer: each loop looks by itself", () =>
    Effect.gen(function* () {
      const some = yield* (yield* DueWork).seek({ work: [ended], every: Duration.seconds(1) })
      let turns = 0
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            some,
            Effect.sync(() => turns++)
          )
        )
      )
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(turns, 3)
    })
  )
})
