// Verifies R-REF-13, R-REF-23, R-REF-25.
/** When the loop of refreshes looks for what is due, over a store and a refresher that say what they are asked. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Deferred, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Refresher } from "../../../src/actors/credentials/Refresher.ts"
import { Shutdown } from "../../../src/observability/Shutdown.ts"
import { RefreshConfig } from "../../../src/rotation/RefreshConfig.ts"
import * as RefreshLoop from "../../../src/rotation/RefreshLoop.ts"
import { type DueRow, fairPick } from "../../../src/store/FairPick.ts"
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

/** Two tenants whose grants are due: the providers of one never answer, those of the other one at once. */
const beside = Effect.gen(function* () {
  const due = new Map<string, DueRow>()
  const owed = (tenantId: string, count: number, urgency: number) => {
    for (let index = 0; index < count; index++) {
      const credentialId = `${tenantId} ${index}`
      due.set(credentialId, { credentialId, tenantId, queue: credentialId, urgency })
    }
  }
  const begun: Array<string> = []
  const store = Layer.mock(RefreshStore, {
    pick: (limit, underWay) =>
      Effect.sync(() => {
        const { chosen, more } = fairPick([...due.values()], [], limit, underWay)
        for (const { credentialId } of chosen) due.delete(credentialId)
        return { refs: chosen, more }
      })
  })
  const refresher = Layer.mock(Refresher, {
    due: (tenantId) =>
      Effect.suspend(() => {
        begun.push(tenantId)
        return tenantId === "slow" ? Effect.never : Effect.void
      }),
    waitingUnsafe: () => 0
  })
  const settings = ConfigProvider.layer(ConfigProvider.fromEnvRecord({ CM_REFRESH_PIECE: "16" }))
  const config = RefreshConfig.layer.pipe(Layer.provide(settings))
  yield* Layer.build(RefreshLoop.layer.pipe(Layer.provide([Shutdown.layer, store, refresher, config])))
  return { owed, begun: (tenantId: string) => begun.filter((one) => one === tenantId).length }
})

describe("the loop of refreshes", () => {
  it.effect("begins what is due of others, however many one tenant has at providers that do not answer", () =>
    Effect.gen(function* () {
      const { begun, owed } = yield* beside
      owed("slow", 1_000, 1)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(begun("slow"), 12)
      owed("other", 100, 2)
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual([begun("slow"), begun("other")], [12, 100])
    })
  )

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
