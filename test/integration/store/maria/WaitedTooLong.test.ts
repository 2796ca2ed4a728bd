// Verifies R-DUR-4, R-LIM-5.
/**
 * What has waited for a connection until little of its time is left is not begun: it would end in the middle, take its
 * connection with it, and keep it from what could end. Under a load of more than is served, that would be all there is.
 */
import { assert, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { inject } from "vitest"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { layerFreshDatabase } from "../../../support/storeLayers.ts"

const operationTimeout = Duration.minutes(2)

/** The clock of the machine, and how much further it is said to have gone. */
const clock = Effect.map(Clock.Clock, (real) => {
  const further = { ms: 0 }
  const monotonicTimeNanosUnsafe = () => real.monotonicTimeNanosUnsafe() + BigInt(Math.round(further.ms * 1e6))
  return {
    further,
    layer: Layer.succeed(Clock.Clock, Object.assign(Object.create(real), { monotonicTimeNanosUnsafe }))
  }
})

it.live("what waited for most of its time is refused without a statement, and its connection serves the next", () =>
  Effect.gen(function* () {
    const { further, layer } = yield* clock
    const stores = Mariadb.layer.pipe(
      Layer.provide(layerFreshDatabase(inject("databaseUrl"), { connections: 1, operationTimeout })),
      Layer.provide(layer)
    )
    yield* Effect.gen(function* () {
      const database = yield* Mariadb
      const connectionId = database.query("test", async (session) =>
        String((await session.rows("SELECT CONNECTION_ID()"))[0]![0])
      )
      const id = yield* connectionId
      const begun: { readonly early: Array<string>; readonly late: Array<string> } = { early: [], late: [] }
      const held = yield* Deferred.make<void>()
      const hold = yield* Effect.forkChild(
        database.transaction("hold", () => Effect.as(Deferred.await(held), { value: "held", wrote: false })),
        { startImmediately: true }
      )
      const ask = (list: Array<string>) => [
        database.query("query", () => {
          list.push("query")
          return Promise.resolve("query")
        }),
        database.transaction("transaction", () =>
          Effect.sync(() => {
            list.push("transaction")
            return { value: "transaction", wrote: false }
          })
        )
      ]
      const asked = (list: Array<string>) =>
        Effect.forEach(ask(list), (one) => Effect.forkChild(Effect.result(one), { startImmediately: true }))
      const early = yield* asked(begun.early)
      further.ms += 0.76 * Duration.toMillis(operationTimeout)
      const late = yield* asked(begun.late)
      yield* Deferred.succeed(held, undefined)
      assert.strictEqual(yield* Fiber.join(hold), "held")
      for (const fiber of early) {
        const outcome = yield* Fiber.join(fiber)
        assert.strictEqual(outcome._tag, "Failure")
        if (outcome._tag !== "Failure" || outcome.failure._tag !== "StoreUnavailable") throw new Error("no refusal")
        assert.strictEqual(outcome.failure.outcome, "none")
        assert.isTrue(outcome.failure.isPassing)
      }
      assert.deepStrictEqual(begun.early, [])
      for (const fiber of late) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Success")
      assert.sameMembers(begun.late, ["query", "transaction"])
      assert.strictEqual(yield* connectionId, id, "the connection was thrown away")
    }).pipe(Effect.provide(stores))
  })
)
