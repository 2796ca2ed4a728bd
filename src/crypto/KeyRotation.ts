/**
 * Rotating the service's keys while everything runs: what an operator asks for.
 *
 * `rotate` gives the token hash key and the sealing key a successor and lets every tenant's data key
 * be followed by a new one at its next use; it returns at once, and `KeyMover` moves the rows.
 * Repeated, or asked of two replicas at once, it rotates once: a key whose successor is not in use
 * everywhere yet is left alone. It needs no rows to be moved before, so it may be repeated any time
 * after that. The fingerprint key and the audit's signing key are not rotated (docs/keys.md).
 *
 * `retire` succeeds only when no row needs the key and no replica writes with it any more. The
 * material of a retired key stays, wrapped, for `CM_KEYS_ERASE_AFTER`.
 */
import { Context, Duration, Effect, Layer } from "effect"
import { KeyInUse, KeyNotFound, LimitReached } from "../domain/errors.ts"
import { type AgedKey, KeyRotationStore } from "../store/KeyRotationStore.ts"
import type { KeyPurpose, KeyState } from "../store/KeyStore.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import { layersMax } from "./HashKeys.ts"
import type { MasterKey, MasterKeyError } from "./MasterKey.ts"
import * as RotationPlan from "./RotationPlan.ts"
import * as ServiceKeys from "./ServiceKeys.ts"

export interface ListedKey {
  readonly keyId: string
  readonly purpose: KeyPurpose
  readonly tenantId: string | null
  readonly state: KeyState
  /** UNIX milliseconds. */
  readonly createdAt: number
  /** How many rows need it. */
  readonly rows: number
}

export interface Rotated {
  /** Ids of the service's new keys; empty when they were rotated a moment ago. */
  readonly keyIds: ReadonlyArray<string>
  /** Tenants whose data key is followed by a new one. */
  readonly tenants: number
}

export class KeyRotation extends Context.Service<
  KeyRotation,
  {
    /** `LimitReached`: the token hash key has as many layers as it may have. Nothing was changed then. */
    readonly rotate: Effect.Effect<Rotated, StoreUnavailable | MasterKeyError | LimitReached>
    readonly status: Effect.Effect<RotationPlan.Progress, StoreUnavailable>
    /** Also of a key that is retired already: nothing happens. */
    readonly retire: (keyId: string) => Effect.Effect<void, StoreUnavailable | KeyNotFound | KeyInUse>
    /** By id, after `after`. */
    readonly list: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<ReadonlyArray<ListedKey>, StoreUnavailable>
  }
>()("cm/crypto/KeyRotation") {}

/** What rotates as a whole; tenants' keys follow one by one. */
const rotating = ["token-hash", "seal"] as const
type Rotating = (typeof rotating)[number]

export const make = Effect.gen(function* () {
  const store = yield* KeyRotationStore
  const context = yield* Effect.context<MasterKey>()
  const { keysActivation, keysMoveRate } = yield* CryptoConfig
  const activationMs = Duration.toMillis(keysActivation)

  /** The key of a purpose that may be followed now, or undefined: it follows another and is not settled itself. */
  const followable = (keys: ReadonlyArray<AgedKey>, purpose: Rotating): AgedKey | undefined => {
    const own = keys.filter((key) => key.purpose === purpose && key.state !== "retired")
    const active = own.find(({ state }) => state === "active")
    return active !== undefined && (own.length === 1 || RotationPlan.isSettled(active, activationMs))
      ? active
      : undefined
  }

  const successorOf = Effect.fnUntraced(function* (active: AgedKey, purpose: Rotating) {
    if (purpose === "seal") return yield* ServiceKeys.makeCandidate(purpose, null)
    const { material } = yield* ServiceKeys.open(active)
    const next = RotationPlan.successorOf(material)
    material.fill(0)
    if (next === null) return yield* new LimitReached({ limit: "rotations of the token hash key", max: layersMax })
    return yield* ServiceKeys.makeCandidate(purpose, null, next)
  })

  const rotate = Effect.gen(function* () {
    const keys = yield* store.serviceKeys
    // Everything that may fail for good comes before the first change.
    const steps: Array<{ readonly from: string; readonly to: ServiceKeys.OpenedKey }> = []
    for (const purpose of rotating) {
      const active = followable(keys, purpose)
      if (active !== undefined) steps.push({ from: active.keyId, to: yield* successorOf(active, purpose) })
    }
    const keyIds: Array<string> = []
    for (const { from, to } of steps) {
      to.material.fill(0)
      if (yield* store.replaceActive(from, to.stored)) keyIds.push(to.stored.keyId)
    }
    const tenants = keyIds.length === 0 ? 0 : yield* store.demoteTenantKeys
    if (keyIds.length > 0) yield* store.beginMark
    return { keyIds, tenants } satisfies Rotated
  }).pipe(Effect.provide(context))

  /** Whether a replica that still answers may write with a key that was replaced. */
  const mayBeWritten = Effect.fnUntraced(function* (key: AgedKey) {
    // A tenant's old key opens as long as its material is there, retired or not: nothing to wait for.
    if (key.tenantId !== null || key.state !== "retiring") return false
    const active = yield* store.activeKey(key.purpose, null)
    return active !== undefined && !RotationPlan.isAbandoned(active, activationMs)
  })

  const retire = Effect.fnUntraced(function* (keyId: string) {
    const key = yield* store.findKey(keyId)
    if (key === undefined) return yield* new KeyNotFound({ keyId })
    const rowsOf = Effect.map(store.countRows([keyId]), (rows) => rows.get(keyId) ?? 0)
    if (yield* mayBeWritten(key)) return yield* new KeyInUse({ keyId, rows: yield* rowsOf })
    switch (yield* store.retire(keyId)) {
      case "retired":
        return
      case "unknown":
        return yield* new KeyNotFound({ keyId })
      default:
        return yield* new KeyInUse({ keyId, rows: yield* rowsOf })
    }
  })

  return KeyRotation.of({
    rotate,
    status: Effect.gen(function* () {
      const [mark, left] = [yield* store.mark, yield* store.countMovable(RotationPlan.countedMax)]
      return RotationPlan.progressOf(mark, left, keysMoveRate)
    }),
    retire,
    list: Effect.fnUntraced(function* (options) {
      const keys = yield* store.listKeys(options)
      const rows = yield* store.countRows(keys.map(({ keyId }) => keyId))
      return keys.map(
        ({ createdAt, keyId, purpose, state, tenantId }): ListedKey => ({
          keyId,
          purpose,
          tenantId,
          state,
          createdAt,
          rows: rows.get(keyId) ?? 0
        })
      )
    })
  })
})

/** Needs `KeyRotationStore`, a master key and `CryptoConfig`. */
export const layer = Layer.effect(KeyRotation, make)
