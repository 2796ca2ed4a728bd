// Verifies R-ACT-4.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as Bulkhead from "../../../../src/store/maria/Bulkhead.ts"

describe("a bulkhead", () => {
  it.effect("lets one tenant use a third at a time, in order, and what is nobody's as much as there is", () =>
    Effect.gen(function* () {
      const bulkhead = Bulkhead.make(9)
      const gate = Deferred.makeUnsafe<void>()
      const begun: Array<string> = []
      const use = (tenantId: string | null, name: string) =>
        bulkhead.within(tenantId)(
          Effect.andThen(
            Effect.sync(() => begun.push(name)),
            Deferred.await(gate)
          )
        )
      const all = [
        ...Array.from({ length: 10 }, (_, n) => use("slow", `slow${n}`)),
        use("other", "other"),
        ...Array.from({ length: 5 }, (_, n) => use(null, `nobody${n}`))
      ]
      const fibers = yield* Effect.forEach(all, (one) => Effect.forkChild(one))
      yield* Effect.yieldNow
      assert.sameMembers(begun, ["slow0", "slow1", "slow2", "other", ...[0, 1, 2, 3, 4].map((n) => `nobody${n}`)])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.awaitAll(fibers)
      assert.deepStrictEqual(
        begun.filter((name) => name.startsWith("slow")),
        Array.from({ length: 10 }, (_, n) => `slow${n}`)
      )
    })
  )

  it.effect("lets it use no more than that while others of its come and go", () =>
    Effect.gen(function* () {
      const bulkhead = Bulkhead.make(6)
      let [running, most] = [0, 0]
      const gates = Array.from({ length: 12 }, () => Deferred.makeUnsafe<void>())
      const use = (gate: Deferred.Deferred<void>) =>
        bulkhead.within("t")(
          Effect.gen(function* () {
            running++
            most = Math.max(most, running)
            yield* Deferred.await(gate)
            running--
          })
        )
      const fibers: Array<Fiber.Fiber<void>> = []
      for (const gate of gates) {
        fibers.push(yield* Effect.forkChild(use(gate), { startImmediately: true }))
        // One of two ends: the share is still in use.
        if (fibers.length % 2 === 0) {
          yield* Deferred.succeed(gates[fibers.length - 2]!, undefined)
          yield* Effect.yieldNow
        }
      }
      for (const gate of gates) yield* Deferred.succeed(gate, undefined)
      yield* Fiber.awaitAll(fibers)
      assert.strictEqual(most, 2)
    })
  )

  it.effect("gives its place back when what used it fails or is interrupted", () =>
    Effect.gen(function* () {
      const { within } = Bulkhead.make(1)
      yield* Effect.flip(within("t")(Effect.fail("x")))
      const fiber = yield* Effect.forkChild(within("t")(Effect.never))
      yield* Effect.yieldNow
      const waiting = yield* Effect.forkChild(within("t")(Effect.succeed("came")))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* Fiber.join(waiting), "came")
    })
  )
})
