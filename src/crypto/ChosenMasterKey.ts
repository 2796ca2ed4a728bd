/**
 * The master key that `CM_MASTER_KEY` chooses. What is not chosen is not loaded and needs no setting.
 *
 * It is given to nobody before it was compared to the data: whoever asks for keys could otherwise make
 * some, or fail in words of its own, under a master key that the data was not written with.
 *
 * With `CM_MASTER_KEY_BEFORE` the one used until now still opens what it wrapped, while every key is
 * being wrapped by the new one (`KeyMover` does that); afterwards it can be left out again.
 */
import { Effect, Layer } from "effect"
import { atStart } from "../store/StartWait.ts"
import * as AwsKmsMasterKey from "./AwsKmsMasterKey.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import * as LocalMasterKey from "./LocalMasterKey.ts"
import { MasterKey } from "./MasterKey.ts"
import * as ServiceKeys from "./ServiceKeys.ts"
import * as VaultMasterKey from "./VaultMasterKey.ts"

type Failure = Layer.Error<typeof LocalMasterKey.layer | typeof VaultMasterKey.layer>
type Needs = Layer.Services<typeof LocalMasterKey.layer>

const layerOf = (kind: string): Layer.Layer<MasterKey, Failure, Needs> => {
  switch (kind) {
    case "vault":
      return VaultMasterKey.layer
    case "aws-kms":
      return AwsKmsMasterKey.layer
    default:
      return LocalMasterKey.layer
  }
}

/** Wraps with `now`; opens with whichever has the key. */
export const succeeding = (now: MasterKey["Service"], before: MasterKey["Service"]): MasterKey["Service"] => {
  const beforeIds = new Set(before.fingerprints.map(({ masterKeyId }) => masterKeyId))
  for (const { masterKeyId } of now.fingerprints) beforeIds.delete(masterKeyId)
  return MasterKey.of({
    activeId: now.activeId,
    fingerprints: [...now.fingerprints, ...before.fingerprints.filter(({ masterKeyId }) => beforeIds.has(masterKeyId))],
    wrap: now.wrap,
    unwrap: (place, wrapped) => (beforeIds.has(wrapped.masterKeyId) ? before : now).unwrap(place, wrapped)
  })
}

const built = (kind: string) =>
  Effect.flatMap(Layer.build(layerOf(kind)), (context) => Effect.provide(MasterKey, context))

const chosen = Layer.unwrap(
  Effect.map(
    CryptoConfig,
    ({ masterKey, masterKeyBefore }): Layer.Layer<MasterKey, Failure, Needs> =>
      masterKeyBefore === "none" || masterKeyBefore === masterKey
        ? layerOf(masterKey)
        : Layer.effect(MasterKey, Effect.zipWith(built(masterKey), built(masterKeyBefore), succeeding))
  )
)

/** `KeyFileMismatch` when the data was written with another one. */
export const layer = Layer.effectDiscard(ServiceKeys.checkMasterKey.pipe(atStart("what its keys were made with"))).pipe(
  Layer.provideMerge(chosen)
)
