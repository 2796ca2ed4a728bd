/** How long a request waits for its tenant's actor. */

import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Exit, Fiber, Layer, Result } from "effect"
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
const hanging = Effect.gen(function* () {
  const given: Array<Asked> = []
  const over = yield* Deferred.make<void>()
  const commit = Layer.succeed(GroupCommit, {
    serve: (_, group) =>
      Effect.andThen(
        Effect.sync(() => given.push(...group)),
        Deferred.await(over)
      ),
    settled: Effect.void
  })
  const settings = TenantsConfig.layer.pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ CM_REQUEST_TIMEOUT: "10 seconds" })))
  )
  const context = yield* Layer.build(TenantActors.layer.pipe(Layer.provide([commit, settings])))
  yield* Effect.addFinalizer(() => Deferred.succeed(over, undefined))
  const ask = Effect.flatMap(TenantActors.TenantActors, (actors) => actors.ask("demo", command)).pipe(
    Effect.provide(context)
  )
  return { ask, given }
})

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
