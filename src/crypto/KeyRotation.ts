/**
 * What rotating the service's keys needs of them: successors, and how far the moving of rows is.
 *
 * Nothing is changed here. An operator's `keys.rotate` and `keys.retire` are commands of the tenant
 * `global` (`actors/keys/commands.ts`), so that what they change is committed with its audit row.
 * A successor is made and wrapped before, since the master key may be far away, slow or not there.
 *
 * Repeated, or asked of two replicas at once, a rotation happens once: a key whose successor is not
 * in use everywhere yet is left alone. It needs no rows to be moved before, so it may be repeated any
 * time after that. The audit's signing key and the fingerprint key are rotated when they are named (docs/keys.md).
 */
import { Context, Duration, Effect, Layer } from "effect"
import type { Page } from "../domain/Page.ts"
import { type AgedKey, KeyRotationStore, neededRowsMax } from "../store/KeyRotationStore.ts"
import type { KeyPurpose, KeyState } from "../store/KeyStore.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { AuditSigner } from "./AuditSigner.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
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
  /** How many rows need it, counted up to `neededRowsMax`; of a fingerprint key, remembered answers that may be found by it. */
  readonly rows: number
}

export class KeyRotation extends Context.Service<
  KeyRotation,
  {
    /** A successor for each of these keys that was not followed meanwhile, wrapped and stored nowhere yet. */
    readonly successorsOf: (
      keys: ReadonlyArray<AgedKey>
    ) => Effect.Effect<ReadonlyArray<RotationPlan.Successor>, MasterKeyError | StoreUnavailable>
    readonly status: Effect.Effect<RotationPlan.Progress, StoreUnavailable>
    /** By id, after `after`. */
    readonly list: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<Page<ListedKey>, StoreUnavailable>
  }
>()("cm/crypto/KeyRotation") {}

/** A token hash key has the layers of the one it follows; any other is of fresh bytes. One that signs is signed. */
const successorOf = Effect.fnUntraced(function* (key: AgedKey) {
  let next: Uint8Array | undefined
  if (key.purpose === "token-hash") {
    const { material } = yield* ServiceKeys.open(key)
    next = RotationPlan.successorOf(material)
    material.fill(0)
  }
  const { material, stored } = yield* ServiceKeys.makeCandidate(key.purpose, key.tenantId, next)
  if (key.purpose === "audit-signing") {
    const link = yield* (yield* AuditSigner).linkTo(key.keyId, { keyId: stored.keyId, seed: material })
    material.fill(0)
    return link === null ? [] : [{ from: key.keyId, to: { ...stored, link } }]
  }
  material.fill(0)
  return [{ from: key.keyId, to: stored }]
})

export const make = Effect.gen(function* () {
  const store = yield* KeyRotationStore
  const context = yield* Effect.context<MasterKey | AuditSigner>()
  const { keysActivation, keysMoveRate } = yield* CryptoConfig
  const activationMs = Duration.toMillis(keysActivation)

  /** No row says which fingerprint key it was made with: those are counted that were written while it was in use. */
  const rowsOf = (key: AgedKey) =>
    key.purpose === "fingerprint" && key.tenantId === null && key.state !== "retired"
      ? Effect.flatMap(store.serviceKeys, (ofService) =>
          store.countRemembered(RotationPlan.rememberedAges(key, ofService, activationMs), neededRowsMax)
        )
      : store.countRows(key.keyId, neededRowsMax)

  return KeyRotation.of({
    successorsOf: (keys) =>
      Effect.map(Effect.provide(Effect.forEach(keys, successorOf), context), (successors) => successors.flat()),
    status: Effect.gen(function* () {
      const [mark, left] = [yield* store.mark, yield* store.countMovable(RotationPlan.countedMax)]
      return RotationPlan.progressOf(mark, left, keysMoveRate)
    }),
    list: Effect.fnUntraced(function* ({ after, limit }) {
      // One more tells whether there is a next page.
      const keys = yield* store.listKeys({ limit: limit + 1, after })
      const content = yield* Effect.forEach(keys.slice(0, limit), (key) => {
        const { createdAt, keyId, purpose, state, tenantId } = key
        return Effect.map(rowsOf(key), (rows): ListedKey => ({ keyId, purpose, tenantId, state, createdAt, rows }))
      })
      return { content, next: keys.length > limit ? (content.at(-1)?.keyId ?? null) : null }
    })
  })
})

/** Needs `KeyRotationStore`, `AuditSigner`, a master key and `CryptoConfig`. */
export const layer = Layer.effect(KeyRotation, make)
