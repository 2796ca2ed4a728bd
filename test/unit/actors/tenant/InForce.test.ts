// Verifies R-REV-9.
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { InForce } from "../../../../src/actors/tenant/InForce.ts"
import { Coherence } from "../../../../src/coherence/Coherence.ts"
import { Outbox } from "../../../../src/store/Outbox.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { memoryOutbox } from "../../../support/memoryOutbox.ts"

type Pending = { readonly oldest: number; readonly newest: number } | null

/** `InForce` over a store that answers when it is told to, and a hand to say the word. */
const setup = Effect.gen(function* () {
  /** How many questions had been asked when it was said that somebody waits. */
  const hurries: Array<number> = []
  const questions: Array<Deferred.Deferred<Pending, StoreUnavailable>> = []
  const listeners: Array<(tenantId: string, isOwn: boolean) => void> = []
  const outbox = Effect.map(Layer.build(memoryOutbox().layer), (context) => ({
    ...Context.get(context, Outbox),
    pendingOf: () =>
      Effect.suspend(() => {
        const question = Deferred.makeUnsafe<Pending, StoreUnavailable>()
        questions.push(question)
        return Deferred.await(question)
      })
  }))
  const context = yield* Layer.build(
    InForce.layer.pipe(
      Layer.provide([
        Layer.effect(Outbox, outbox),
        Layer.succeed(Coherence, {
          putInForce: () => Effect.void,
          putInForceAndTell: () => Effect.void,
          announceUnsafe: () => {},
          onInForceUnsafe: (listener) => void listeners.push(listener),
          tellNowUnsafe: () => void hurries.push(questions.length),
          lapse: Effect.succeed(null),
          settled: Effect.void
        })
      ])
    )
  )
  const inForce = Context.get(context, InForce)
  /** Lets everything that is ready happen; no time passes. */
  const settle = TestClock.adjust(0)
  /** Waits for the question of that number and answers it. */
  const answer = (number: number, exit: Exit.Exit<Pending, StoreUnavailable>) =>
    Effect.gen(function* () {
      yield* settle
      assert.strictEqual(questions.length, number, "questions asked")
      yield* Deferred.done(questions[number - 1]!, exit)
      yield* settle
    })
  const start = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })
  const isOver = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() !== undefined
  const say = (tenantId: string) => {
    for (const listener of listeners) listener(tenantId, true)
  }
  return { inForce, questions, hurries, answer, settle, start, isOver, say }
})

const pending = (oldest: number, newest = oldest) => Exit.succeed({ oldest, newest })
const none = Exit.succeed(null)

describe("what waits to be in force", () => {
  it.effect("goes on at the word that it is, without any time passing, and asks no sooner", () =>
    Effect.gen(function* () {
      const { answer, inForce, isOver, questions, say, settle, start } = yield* setup
      const fiber = yield* start(inForce.upTo("acme", 3))
      yield* answer(1, pending(2))
      assert.isFalse(isOver(fiber))
      say("other")
      yield* settle
      assert.strictEqual(questions.length, 1)
      say("acme")
      yield* answer(2, pending(4))
      assert.isTrue(isOver(fiber))
      yield* Fiber.join(fiber)
    })
  )

  it.effect("is told to the store at once, since somebody waits", () =>
    Effect.gen(function* () {
      const { answer, hurries, inForce, settle, start } = yield* setup
      const first = yield* start(inForce.upTo("acme", 1))
      yield* settle
      const second = yield* start(inForce.upTo("acme", 1))
      yield* answer(1, none)
      yield* answer(2, none)
      assert.deepStrictEqual(hurries, [0, 1])
      yield* Effect.andThen(Fiber.join(first), Fiber.join(second))
    })
  )

  it.effect("is looked at again although the word got lost", () =>
    Effect.gen(function* () {
      const { answer, inForce, start } = yield* setup
      const fiber = yield* start(inForce.upTo("acme", 3))
      yield* answer(1, pending(3))
      yield* TestClock.adjust("250 millis")
      yield* answer(2, none)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("asks once for all of a tenant who wait", () =>
    Effect.gen(function* () {
      const { answer, inForce, isOver, questions, settle, start } = yield* setup
      const fibers = [yield* start(inForce.upTo("acme", 1))]
      yield* settle
      for (let seq = 2; seq <= 50; seq++) fibers.push(yield* start(inForce.upTo("acme", seq)))
      yield* answer(1, pending(1))
      yield* answer(2, pending(21))
      assert.deepStrictEqual(
        fibers.map((fiber) => isOver(fiber)),
        fibers.map((_, at) => at < 20)
      )
      yield* TestClock.adjust("250 millis")
      yield* answer(3, none)
      assert.isTrue(fibers.every(isOver))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(questions.length, 3)
    })
  )

  it.effect("takes no answer to a question from before it waited", () =>
    Effect.gen(function* () {
      const { answer, inForce, isOver, settle, start } = yield* setup
      const first = yield* start(inForce.upTo("acme", 1))
      yield* settle
      const late = yield* start(inForce.upTo("acme", 2))
      yield* answer(1, none)
      assert.deepStrictEqual([isOver(first), isOver(late)], [true, false])
      yield* answer(2, pending(2))
      assert.isFalse(isOver(late))
    })
  )

  it.effect("is all that was pending when it was first asked, and nothing that came later", () =>
    Effect.gen(function* () {
      const { answer, inForce, isOver, say, start } = yield* setup
      const fiber = yield* start(inForce.all("acme"))
      yield* answer(1, pending(3, 5))
      say("acme")
      yield* answer(2, pending(5, 9))
      assert.isFalse(isOver(fiber))
      say("acme")
      yield* answer(3, pending(6, 9))
      assert.isTrue(isOver(fiber))
    })
  )

  it.effect("ends after 10 s as not yet in force, and is asked about no more", () =>
    Effect.gen(function* () {
      const { answer, inForce, questions, settle, start } = yield* setup
      const fiber = yield* start(Effect.flip(inForce.upTo("acme", 1)))
      yield* answer(1, pending(1))
      for (let at = 250; at < 10_000; at += 250) {
        yield* TestClock.adjust("250 millis")
        yield* answer(questions.length, pending(1))
      }
      yield* TestClock.adjust("250 millis")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "NotYetInForce")
      yield* TestClock.adjust("250 millis")
      yield* settle
      const asked = questions.length
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(questions.length, asked)
      // And somebody new is served.
      const next = yield* start(inForce.upTo("acme", 1))
      yield* answer(asked + 1, none)
      yield* Fiber.join(next)
    })
  )

  it.effect("fails with the store, and only those who asked it", () =>
    Effect.gen(function* () {
      const { answer, inForce, isOver, settle, start } = yield* setup
      const first = yield* start(Effect.flip(inForce.upTo("acme", 1)))
      yield* settle
      const late = yield* start(inForce.upTo("acme", 1))
      yield* answer(1, Exit.fail(new StoreUnavailable({ operation: "test", outcome: "none" })))
      assert.strictEqual((yield* Fiber.join(first))._tag, "StoreUnavailable")
      assert.isFalse(isOver(late))
      yield* answer(2, none)
      yield* Fiber.join(late)
    })
  )
})
