/** `KeyStore` in memory. */
import { Effect, Layer } from "effect"
import { KeyStore, type StoredKey } from "../KeyStore.ts"
import { MemoryDatabase, type MemoryTables } from "./MemoryDatabase.ts"

const ensureActive = (tables: MemoryTables, candidate: StoredKey): StoredKey => {
  for (const key of tables.dataKeys.values()) {
    if (key.state === "active" && key.purpose === candidate.purpose && key.tenantId === candidate.tenantId) return key
  }
  const key: StoredKey = { ...candidate, state: "active" }
  tables.dataKeys.set(key.keyId, key)
  return key
}

const make = Effect.map(MemoryDatabase, (tables) =>
  KeyStore.of({
    masterKeyFingerprints: Effect.sync(() =>
      Array.from(tables.masterKeys, ([masterKeyId, fingerprint]) => ({ masterKeyId, fingerprint })).toSorted((a, b) =>
        a.masterKeyId < b.masterKeyId ? -1 : 1
      )
    ),
    addMasterKeyFingerprint: (masterKeyId, fingerprint) =>
      Effect.sync(() => {
        if (!tables.masterKeys.has(masterKeyId)) tables.masterKeys.set(masterKeyId, fingerprint)
      }),
    keys: Effect.sync(() => Array.from(tables.dataKeys.values()).toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1))),
    ensureActive: (candidate) => Effect.sync(() => ensureActive(tables, candidate)),
    hasData: Effect.sync(() => tables.tokens.size + tables.idempotency.size + tables.dataKeys.size > 0)
  })
)

export const layer: Layer.Layer<KeyStore, never, MemoryDatabase> = Layer.effect(KeyStore, make)
