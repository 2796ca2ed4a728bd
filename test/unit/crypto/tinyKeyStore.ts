/** A key store of one process whose calls can be made to fail, for tests of what stands on it. */
import { Effect } from "effect"
import { KeyStore, type StoredKey } from "../../../src/store/KeyStore.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"

/** `keys` may be shared with a memory `KeyRotationStore`. */
export const make = (keys: Array<StoredKey> = []) => {
  const fingerprints: Array<{ masterKeyId: string; fingerprint: string }> = []
  const state = { down: false, hasData: false, reads: 0 }
  const call = <A>(operation: string, body: () => A) =>
    Effect.suspend(() =>
      state.down ? Effect.fail(new StoreUnavailable({ operation, outcome: "none" })) : Effect.sync(body)
    )
  const store = KeyStore.of({
    masterKeyFingerprints: call("masterKeyFingerprints", () => [...fingerprints]),
    addMasterKeyFingerprint: (masterKeyId, fingerprint) =>
      call("addMasterKeyFingerprint", () => {
        if (!fingerprints.some((known) => known.masterKeyId === masterKeyId)) {
          fingerprints.push({ masterKeyId, fingerprint })
        }
      }),
    keys: call("keys", () => {
      state.reads += 1
      return [...keys]
    }),
    ensureActive: (candidate) =>
      call("ensureActive", () => {
        const active = keys.find(
          (key) => key.purpose === candidate.purpose && key.tenantId === candidate.tenantId && key.state === "active"
        )
        if (active !== undefined) return active
        keys.push(candidate)
        return candidate
      }),
    hasData: call("hasData", () => state.hasData)
  })
  return { store, keys, fingerprints, state }
}
