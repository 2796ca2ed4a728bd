// Verifies R-DUR-2, R-BUS-9.
/** How long a request waits for its tenant's actor, what waits at a stop, and that there is one writer. */

import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Deferred, Effect, Exit, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Command } from "../../../../src/actors/tenant/Command.ts"
import { type Asked, GroupCommit } from "../../../../src/actors/tenant/GroupCommit.ts"
import * as TenantActors from "../../../../src/actors/tenant/TenantActors.ts"
import { TenantsConfig } from "../../../../src/actors/tenant/TenantsConfig.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"

const command: Command<number> = {
  name: "test",
  caller: { ...busPrincipal, correlationId: "c", idempotency: null },
  load: {},
  decide: () => Result.succeed(1)
}

/** Actors whose groups are not committed before the test is over; what they were given is kept. */
const hangingWith = Effect.fnUntraced(function* (
  variables: Readonly<Record<string, string>>,
  settled: Effect.Effect<void> = Effect.void
) {
  const given: Array<Asked> = []
  const over = yield* Deferred.make<void>()
  const commit = Layer.succeed(GroupCommit, {
    serve: (_, group) =>
      Effect.andThen(
        Effect.sync(() => given.push(...group)),
        Deferred.await(over)
      ),
    settled
  })
  const settings = TenantsConfig.layer.pipe(
    Layer.provide(
      ConfigProvider.layer(ConfigProvider.fromEnvRecord({ CM_REQUEST_TIMEOUT: "10 seconds", ...variables }))
    )
  )
  const context = yield* Layer.build(TenantActors.layer.pipe(Layer.provide([commit, settings])))
  yield* Effect.addFinalizer(() => Deferred.succeed(over, undefined))
  const actors = Context.get(context, TenantActors.TenantActors)
  return { actors, ask: actors.ask("demo", command), given, end: Deferred.succeed(over, undefined) }
})
const hanging = hangingWith({})

/** Lets fibers and callbacks go on, without any time that passes. */
const turns = Effect.promise(async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((done) => setImmediate(done))
})
const tagOf = (exit: Exit.Exit<unknown, { readonly _tag: string }> | undefined) => {
  const failure = exit === undefined ? undefined : Exit.findErrorOption(exit)
  return failure?._tag === "Some" ? failure.value._tag : failure?._tag
}

describe("a request whose tenant's actor does not come to it", () => {
  it.effect("is told after its time that nobody knows what became of it", () =>
    Effect.gen(function* () {
      const { ask, given } = yield* hanging
      const first = yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true })
      yield* TestClock.adjust("6 seconds")
      const second = yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true })
      yield* TestClock.adjust("3999 millis")
      assert.isUndefined(first.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const failure = Exit.findErrorOption(yield* Fiber.join(first))
      assert.deepStrictEqual(failure._tag === "Some" ? { ...failure.value } : failure, {
        _tag: "Unavailable",
        part: "tenant",
        committed: null
      } as never)
      assert.isUndefined(second.pollUnsafe())
      // An answer that comes after all changes nothing, one that comes in time is the answer.
      assert.strictEqual(given.length, 1)
      given[0]!.reply(Exit.succeed(Result.succeed(7)))
      yield* TestClock.adjust("6 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(second)))
    })
  )

  it.effect("is answered as soon as it is done, and never again", () =>
    Effect.gen(function* () {
      const { ask, given } = yield* hanging
      const asked = yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      given[0]!.reply(Exit.succeed(Result.succeed(7)))
      assert.deepStrictEqual(yield* Fiber.join(asked), Exit.succeed(7))
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(asked.pollUnsafe(), Exit.succeed(Exit.succeed(7)))
    })
  )
})

describe("a tenant's actor", () => {
  it.effect("is not put to sleep while it is at work, however long that takes", () =>
    Effect.gen(function* () {
      const { actors, ask } = yield* hangingWith({ CM_ACTOR_IDLE: "1 minute", CM_REQUEST_TIMEOUT: "2 minutes" })
      yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true })
      yield* turns
      for (let minute = 0; minute < 5; minute++) {
        yield* TestClock.adjust("1 minute")
        assert.isTrue(actors.isResidentUnsafe("demo"))
      }
    })
  )

  it.effect("whose mailbox is full says so at once", () =>
    Effect.gen(function* () {
      const { ask } = yield* hangingWith({ CM_MAILBOX_CAPACITY: "1", CM_GROUP_COMMIT_MAX: "1" })
      const asked: Array<Fiber.Fiber<Exit.Exit<number, { readonly _tag: string }>>> = []
      for (let n = 0; n < 3; n++) {
        asked.push(yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true }))
        yield* turns
      }
      const told = asked
        .map((fiber) => fiber.pollUnsafe())
        .map((exit) => (exit && Exit.isSuccess(exit) ? exit.value : undefined))
      assert.deepStrictEqual(told.map(tagOf), [undefined, undefined, "TooManyRequests"])
    })
  )
})

describe("a replica that stops", () => {
  it.effect("takes nothing more, and has stopped when all that it took is done, answered and in force", () =>
    Effect.gen(function* () {
      const inForce = yield* Deferred.make<void>()
      const { actors, ask, end, given } = yield* hangingWith({}, Deferred.await(inForce))
      yield* Effect.addFinalizer(() => Deferred.succeed(inForce, undefined))
      const first = yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true })
      yield* turns
      const stopping = yield* Effect.forkChild(actors.drain, { startImmediately: true })
      yield* turns
      const refused = yield* Effect.exit(ask).pipe(
        Effect.timeoutOption("1 second"),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      const answer = yield* Fiber.join(refused)
      assert.strictEqual(tagOf(answer._tag === "Some" ? answer.value : undefined), "Unavailable")
      assert.lengthOf(given, 1)
      given[0]!.reply(Exit.succeed(Result.succeed(7)))
      yield* end
      assert.deepStrictEqual(yield* Fiber.join(first), Exit.succeed(7))
      yield* turns
      assert.isUndefined(stopping.pollUnsafe(), "stopped before what it answered is in force")
      yield* Deferred.succeed(inForce, undefined)
      yield* Fiber.join(stopping)
    })
  )
})
