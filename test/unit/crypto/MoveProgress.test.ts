// Verifies R-SEC-4.
/** The numbers of a run of moving rows: counted in pieces, once, by the one who moves. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as MoveProgress from "../../../src/crypto/MoveProgress.ts"
import { KeyRotationStore } from "../../../src/store/KeyRotationStore.ts"
import type { StoredKey } from "../../../src/store/KeyStore.ts"
import { MemoryDatabase } from "../../../src/store/memory/MemoryDatabase.ts"
import * as MemoryKeyRotationStore from "../../../src/store/memory/MemoryKeyRotationStore.ts"
import { aHash, anId, aToken } from "../../support/storeFixtures.ts"

const sliceMax = 4

const world = Effect.gen(function* () {
  const tables = yield* MemoryDatabase
  const store = yield* KeyRotationStore
  /** Limits of all statements that counted, and how often this replica is still asked whether it may. */
  const limits: Array<number> = []
  const state = { claims: Number.POSITIVE_INFINITY }
  const progress = MoveProgress.make(
    {
      ...store,
      countMovableUnder: (keyIds, limit) => {
        limits.push(limit)
        return store.countMovableUnder(keyIds, limit)
      },
      countMovableSlice: (keyId, after, limit) => {
        limits.push(limit)
        return store.countMovableSlice(keyId, after, limit)
      }
    },
    Effect.sync(() => state.claims-- > 0),
    sliceMax
  )
  const keyWith = (rows: number, keyState: StoredKey["state"] = "retiring"): string => {
    const keyId = anId()
    const key = { keyId, purpose: "tenant-data" as const, tenantId: keyId, masterKeyId: "m", wrapped: aHash() }
    tables.dataKeys.set(keyId, { ...key, state: keyState, createdAt: 0 })
    for (let n = 0; n < rows; n++) {
      const token = aToken("acme", "app", { hashKeyId: keyId })
      tables.tokens.set(token.tokenId, token)
    }
    return keyId
  }
  return { tables, store, progress, limits, state, keyWith }
}).pipe(Effect.provide(MemoryKeyRotationStore.layer.pipe(Layer.provideMerge(MemoryDatabase.layer)), { local: true }))

describe("MoveProgress", () => {
  it.effect("counts every row once, however they lie under keys, in statements that stay short", () =>
    Effect.gen(function* () {
      const layouts = [[1], [4], [5], [13], [0, 0, 3], [2, 2], [9, 0, 1, 8], [1, 1, 1, 1, 1, 1, 1], [12, 12, 12]]
      for (const layout of layouts) {
        const { keyWith, limits, progress, store } = yield* world
        for (const rows of layout) keyWith(rows)
        keyWith(7, "active")
        yield* progress.keep
        const mark = (yield* store.mark)!
        assert.deepStrictEqual([mark.total, mark.moved], [layout.reduce((a, b) => a + b, 0), 0], layout.join(" "))
        assert.isAtMost(Math.max(...limits), sliceMax)
      }
    })
  )

  it.effect("counts once in a run; what comes later is in the next one", () =>
    Effect.gen(function* () {
      const { keyWith, limits, progress, store, tables } = yield* world
      keyWith(3)
      yield* progress.keep
      const counted = limits.length
      keyWith(2)
      yield* progress.keep
      assert.deepStrictEqual([(yield* store.mark)?.total, limits.length], [3, counted])
      tables.tokens.clear()
      yield* progress.keep
      assert.isTrue((yield* store.mark)?.isOver)
      keyWith(2)
      yield* progress.keep
      const mark = (yield* store.mark)!
      assert.deepStrictEqual([mark.isOver, mark.total], [false, 2])
    })
  )

  it.effect("begins no run where nothing is to be moved", () =>
    Effect.gen(function* () {
      const { keyWith, progress, store } = yield* world
      keyWith(3, "active")
      yield* progress.keep
      assert.isUndefined(yield* store.mark)
    })
  )

  it.effect("says no total that it could not count to the end, because another replica took over", () =>
    Effect.gen(function* () {
      const { keyWith, progress, state, store } = yield* world
      keyWith(13)
      for (const claims of [0, 1, 2]) {
        state.claims = claims
        yield* progress.keep
        assert.isNull((yield* store.mark)?.total)
      }
      state.claims = 100
      yield* progress.keep
      assert.strictEqual((yield* store.mark)?.total, 13)
    })
  )
})
