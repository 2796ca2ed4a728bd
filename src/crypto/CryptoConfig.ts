/** Where the master key is, and how long the keys under it are used. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const config = Config.all({
  masterKey: Setting.text({
    name: "CM_MASTER_KEY",
    pattern: /^(file|vault|aws-kms)$/u,
    byDefault: "file",
    about: "What holds the master key: a local key file, HashiCorp Vault or OpenBao (transit), or AWS KMS."
  }),
  keyFile: Setting.text({
    name: "CM_KEY_FILE",
    pattern: /^\P{Cc}{1,4096}$/u,
    byDefault: "keys.json",
    about: "Path of the key file (CM_MASTER_KEY=file). Whoever loses it loses every token and secret: back it up."
  }),
  keyFileCreate: Setting.flag({
    name: "CM_KEY_FILE_CREATE",
    byDefault: false,
    about: "Make the key file when it is missing and the database holds no data yet. For development."
  }),
  keysReload: Setting.duration({
    name: "CM_KEYS_RELOAD",
    min: "100 millis",
    max: "1 minute",
    byDefault: "2 seconds",
    about: "How often a replica looks for keys that another one added."
  })
})

export class CryptoConfig extends Context.Service<CryptoConfig, Config.Success<typeof config>>()(
  "cm/crypto/CryptoConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
