/** A database in memory whose key store can be made to fail, for tests of what stands on it. */
import { Effect, Layer } from "effect"
import { KeyRotationStore } from "../../../src/store/KeyRotationStore.ts"
import { KeyStore, type StoredKey } from "../../../src/store/KeyStore.ts"
import { MemoryDatabase } from "../../../src/store/memory/MemoryDatabase.ts"
import * as MemoryKeyRotationStore from "../../../src/store/memory/MemoryKeyRotationStore.ts"
import * as MemoryKeyStore from "../../../src/store/memory/MemoryKeyStore.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"

export const keyWorld = Effect.gen(function* () {
  const tables = yield* MemoryDatabase
  const keyStore = yield* KeyStore
  const state: { down: boolean; uses: "are told" | "fail" | "hang" } = { down: false, uses: "are told" }
  const down = Effect.suspend(() =>
    state.down ? Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" })) : Effect.void
  )
  const usesDown = Effect.suspend(() =>
    state.uses === "hang"
      ? Effect.never
      : state.uses === "fail"
        ? Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" }))
        : Effect.void
  )
  /** Both stores fail while `state.down`. */
  const rotation = MemoryKeyRotationStore.make(tables)
  const stores = Layer.mergeAll(
    Layer.succeed(
      KeyStore,
      KeyStore.of({
        ...keyStore,
        keys: Effect.andThen(down, keyStore.keys),
        ensureActive: (candidate) => Effect.andThen(down, keyStore.ensureActive(candidate))
      })
    ),
    Layer.succeed(
      KeyRotationStore,
      KeyRotationStore.of({
        ...rotation,
        serviceKeys: Effect.andThen(down, rotation.serviceKeys),
        addUses: (keyId, uses) => Effect.andThen(usesDown, rotation.addUses(keyId, uses)),
        findKey: (keyId) => Effect.andThen(down, rotation.findKey(keyId)),
        activeKey: (purpose, tenantId) => Effect.andThen(down, rotation.activeKey(purpose, tenantId))
      })
    )
  )
  const keys = (): ReadonlyArray<StoredKey> => Array.from(tables.dataKeys.values())
  const put = (key: StoredKey): void => {
    tables.dataKeys.set(key.keyId, key)
  }
  return { tables, state, stores, keyStore, rotation, keys, put }
}).pipe(Effect.provide(MemoryKeyStore.layer.pipe(Layer.provideMerge(MemoryDatabase.layer)), { local: true }))

export type KeyWorld = Effect.Success<typeof keyWorld>
