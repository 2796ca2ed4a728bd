// Verifies R-REF-13.
/** What a process remembers of queues, and when it clears turns away, over a database that undoes a transaction. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import type { Session } from "../../../../src/store/maria/MariadbConnection.ts"
import * as MariaRefreshStore from "../../../../src/store/maria/MariaRefreshStore.ts"
import { RefreshStore, type TurnRequest } from "../../../../src/store/RefreshStore.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"

const request: TurnRequest = {
  lane: "aa".repeat(16),
  circuit: "bb".repeat(16),
  queue: "cc".repeat(16),
  provider: "demo/acme",
  ratePerMinute: 60,
  parallel: 4,
  holdMs: 1_000,
  passes: false
}

/** A database whose next transactions are undone before they commit: repeated once, or given up. */
const world = () => {
  const state = { undone: 0, fails: 0, queueWrites: 0, lastNumber: 0, turnDeletes: 0 }
  const session: Session = {
    rows: async (sql) => (/provider_circuits/u.test(sql) ? [] : [[1, 0, state.lastNumber, null, 0]]),
    run: async (sql) => {
      if (/INTO refresh_queues/u.test(sql)) state.queueWrites++
      if (/DELETE FROM provider_turns/u.test(sql)) state.turnDeletes++
      return 1
    },
    batch: async () => 0,
    command: async () => undefined
  }
  const once = <A>(body: () => Effect.Effect<A, unknown>): Effect.Effect<A> => Effect.orDie(body())
  const query = <A>(_operation: string, body: (session: Session) => Promise<A>) =>
    Effect.promise(() => body(session)).pipe(
      Effect.flatMap((value) =>
        state.fails-- > 0
          ? Effect.fail(new StoreUnavailable({ operation: "test", outcome: "unknown" }))
          : Effect.succeed(value)
      )
    )
  const database = Mariadb.of({
    query,
    lookup: () => Promise.reject(new Error("nothing of it is looked up")),
    transaction: (_operation, body) =>
      Effect.gen(function* () {
        for (; state.undone > 0; state.undone--) yield* once(() => body(session))
        const result = yield* once(() => body(session))
        if (state.fails-- > 0) return yield* new StoreUnavailable({ operation: "test", outcome: "none" })
        return "valueFrom" in result ? result.valueFrom([[7]]) : result.value
      })
  })
  const layer = MariaRefreshStore.layer.pipe(Layer.provide(Layer.succeed(Mariadb, database)))
  return { state, layer }
}

describe("turns that count against no rate any more", () => {
  it.effect("are deleted by who takes one, now and then, and not each time", () => {
    const { layer, state } = world()
    return Effect.gen(function* () {
      const store = yield* RefreshStore
      const deletes: Array<number> = []
      for (const lastNumber of [0, 14, 15, 16, 30, 31]) {
        state.lastNumber = lastNumber
        yield* store.takeTurn(request)
        deletes.push(state.turnDeletes)
      }
      assert.deepStrictEqual(deletes, [0, 0, 1, 1, 1, 2])
    }).pipe(Effect.provide(layer))
  })
})

describe("what is known of a queue", () => {
  it.effect("is written again by the repetition of a transaction that was undone, and then no more", () => {
    const { layer, state } = world()
    return Effect.gen(function* () {
      const store = yield* RefreshStore
      state.undone = 1
      yield* store.takeTurn(request)
      assert.strictEqual(state.queueWrites, 2)
      yield* store.takeTurn(request)
      assert.strictEqual(state.queueWrites, 2)
      yield* store.takeTurn({ ...request, parallel: 5 })
      assert.strictEqual(state.queueWrites, 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not known of a turn, or of a setting up, that did not succeed", () => {
    const { layer, state } = world()
    return Effect.gen(function* () {
      const store = yield* RefreshStore
      for (const use of [store.takeTurn(request), store.knowQueue(request)]) {
        state.fails = 1
        yield* Effect.flip(Effect.asVoid(use))
      }
      assert.strictEqual(state.queueWrites, 2)
      yield* store.knowQueue(request)
      yield* store.takeTurn(request)
      assert.strictEqual(state.queueWrites, 3)
    }).pipe(Effect.provide(layer))
  })
})
