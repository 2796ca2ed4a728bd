/** The master key that `CM_MASTER_KEY` chooses. What is not chosen is not loaded and needs no setting. */
import { Effect, Layer } from "effect"
import * as AwsKmsMasterKey from "./AwsKmsMasterKey.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import * as LocalMasterKey from "./LocalMasterKey.ts"
import type { MasterKey } from "./MasterKey.ts"
import * as VaultMasterKey from "./VaultMasterKey.ts"

type Failure = Layer.Error<typeof LocalMasterKey.layer | typeof VaultMasterKey.layer>
type Needs = Layer.Services<typeof LocalMasterKey.layer>

export const layer = Layer.unwrap(
  Effect.map(CryptoConfig, ({ masterKey }): Layer.Layer<MasterKey, Failure, Needs> => {
    switch (masterKey) {
      case "vault":
        return VaultMasterKey.layer
      case "aws-kms":
        return AwsKmsMasterKey.layer
      default:
        return LocalMasterKey.layer
    }
  })
)
