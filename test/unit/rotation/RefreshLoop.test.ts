// Verifies R-REF-13, R-REF-23, R-REF-25.
/** When the loop of refreshes looks for what is due, over a store and a refresher that say what they are asked. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Deferred, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Refresher } from "../../../src/actors/credentials/Refresher.ts"
import { Shutdown } from "../../../src/observability/Shutdown.ts"
import { RefreshConfig } from "../../../src/rotation/RefreshConfig.ts"
import * as RefreshLoop from "../../../src/rotation/RefreshLoop.ts"
import { RefreshStore } from "../../../src/store/RefreshStore.ts"

const begin = Effect.gen(function* () {
  const seen = { waiting: 0, looks: 0, begun: 0 }
  const ends = yield* Deferred.make<void>()
  const none = Effect.die(new Error("nobody asks for it"))
  const store = RefreshStore.of({
    pick: () =>
      Effect.sync(() => {
        seen.looks++
        return { refs: [{ tenantId: "demo", credentialId: String(seen.looks) }], more: true }
      }),
    ...{
      putBack: () => none,
      rest: () => none,
      sift: () => none,
      standing: () => none,
      putAnswer: () => none,
      providers: () => none
    },
    ...{ rotators: () => none, knowQueue: () => none, takeTurn: () => none, endTurn: () => none, keepTurn: () => none },
    ...{ circuits: () => none, forgetCircuits: () => none, pruneVersions: () => none }
  })
  const refresher = Refresher.of({
    ...{ refresh: () => none, settled: () => none, revoke: () => none },
    due: () =>
      Effect.andThen(
        Effect.sync(() => void seen.begun++),
        Deferred.await(ends)
      ),
    waitingUnsafe: () => seen.waiting
  })
  const settings = ConfigProvider.layer(ConfigProvider.fromEnvRecord({ CM_REFRESH_PIECE: "5" }))
  const context = yield* Layer.build(
    RefreshLoop.layer.pipe(
      Layer.provideMerge(Shutdown.layer),
      Layer.provide([
        Layer.succeed(RefreshStore, store),
        Layer.succeed(Refresher, refresher),
        RefreshConfig.layer.pipe(Layer.provide(settings))
      ])
    )
  )
  return { seen, shutdown: Context.get(context, Shutdown) }
})

describe("the loop of refreshes", () => {
  it.effect("takes no more while what it took waits to begin, and goes on when hardly any does", () =>
    Effect.gen(function* () {
      const { seen } = yield* begin
      seen.waiting = 3
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(seen.looks, 0)
      seen.waiting = 2
      yield* TestClock.adjust("2 seconds")
      assert.isAbove(seen.looks, 0)
      assert.strictEqual(seen.begun, seen.looks)
    })
  )

  it.effect("takes nothing any more once the stop was begun", () =>
    Effect.gen(function* () {
      const { seen, shutdown } = yield* begin
      yield* shutdown.request
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(seen.looks, 0)
    })
  )

  it.effect("has no more under way than a piece, whatever they wait for", () =>
    Effect.gen(function* () {
      const { seen } = yield* begin
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual([seen.looks, seen.begun], [5, 5])
    })
  )
})
