/** Where the master key is, and how long the keys under it are used. */
import { Config, ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"
import { insecureTransport } from "../observability/Transport.ts"

const settings = Config.all({
  masterKey: Setting.text({
    name: "CM_MASTER_KEY",
    pattern: /^(file|vault|aws-kms)$/u,
    byDefault: "file",
    about: "What holds the master key: a local key file, HashiCorp Vault or OpenBao (transit), or AWS KMS."
  }),
  masterKeyBefore: Setting.text({
    name: "CM_MASTER_KEY_BEFORE",
    pattern: /^(none|file|vault|aws-kms)$/u,
    byDefault: "none",
    about: "The kind of master key used until now, while the stored keys move to the one in CM_MASTER_KEY."
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
  rowsAdopt: Setting.flag({
    name: "CM_ROWS_ADOPT",
    byDefault: false,
    about:
      "At the start, tag rows that have no tag, as they stand. Once, after an upgrade from a release that did not tag rows, with all replicas stopped; while it is true whoever writes to the database is believed."
  }),
  masterKeyTimeout: Setting.duration({
    name: "CM_MASTER_KEY_TIMEOUT",
    min: "100 millis",
    max: "1 minute",
    byDefault: "3 seconds",
    about: "How long one try of a call to Vault or AWS KMS may take. There are at most four."
  }),
  vaultAddress: Setting.text({
    name: "CM_VAULT_ADDR",
    pattern: /^https?:\/\/[A-Za-z0-9.:[\]-]{1,255}\/?$/u,
    byDefault: "https://127.0.0.1:8200",
    about: "Vault or OpenBao (CM_MASTER_KEY=vault). Without TLS only on this machine or with CM_VAULT_INSECURE=true."
  }),
  vaultInsecure: Setting.flag({
    name: "CM_VAULT_INSECURE",
    byDefault: false,
    about: "Let keys and the Vault token travel in clear to a Vault on another machine."
  }),
  insecureTransport,
  vaultMount: Setting.text({
    name: "CM_VAULT_MOUNT",
    pattern: /^[A-Za-z0-9_-]{1,48}(\/[A-Za-z0-9_-]{1,48})?$/u,
    byDefault: "transit",
    about: "Where the transit engine is mounted."
  }),
  vaultKey: Setting.text({
    name: "CM_VAULT_KEY",
    pattern: /^[A-Za-z0-9_.-]{1,64}$/u,
    byDefault: "credential-management",
    about: "Name of the transit key. Its type must know associated data (aes256-gcm96, the default, does)."
  }),
  vaultNamespace: Setting.text({
    name: "CM_VAULT_NAMESPACE",
    pattern: /^[A-Za-z0-9_/-]{0,128}$/u,
    byDefault: "",
    about: "Vault namespace, where there are any."
  }),
  vaultToken: Setting.secret({
    name: "CM_VAULT_TOKEN",
    about: "Vault token that may update encrypt and decrypt of the key. CM_VAULT_TOKEN_FILE is better."
  }).pipe(Config.option),
  vaultTokenFile: Setting.text({
    name: "CM_VAULT_TOKEN_FILE",
    pattern: /^\P{Cc}{0,4096}$/u,
    byDefault: "",
    about: "File that holds the Vault token, read at each call, so that an agent may renew it."
  }),
  kmsKey: Setting.text({
    name: "CM_AWS_KMS_KEY",
    pattern: /^(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]{1,64})?$/u,
    byDefault: "",
    about: "ARN of the AWS KMS key (CM_MASTER_KEY=aws-kms). Needs the package @aws-sdk/client-kms beside the service."
  }),
  kmsEndpoint: Setting.text({
    name: "CM_AWS_KMS_ENDPOINT",
    pattern: /^(https?:\/\/[A-Za-z0-9.:[\]-]{1,255}\/?)?$/u,
    byDefault: "",
    about: "Another endpoint than the one of the key's region."
  }),
  tenantKeyUsesMax: Setting.int({
    name: "CM_TENANT_KEY_USES_MAX",
    unit: "records",
    min: 1_000,
    max: 2 ** 30,
    byDefault: 1_000_000,
    about: "After so many records a tenant's data key is replaced by a new one."
  }),
  tenantKeyAgeMax: Setting.duration({
    name: "CM_TENANT_KEY_AGE_MAX",
    min: "1 hour",
    max: "3650 days",
    byDefault: "90 days",
    about: "At this age a tenant's data key is replaced by a new one."
  }),
  tenantKeysWarm: Setting.int({
    name: "CM_TENANT_KEYS_WARM",
    unit: "keys",
    min: 16,
    max: 1_000_000,
    byDefault: 10_000,
    about: "Opened data keys of tenants that are kept in memory."
  }),
  keysMoveRate: Setting.int({
    name: "CM_KEYS_MOVE_RATE",
    unit: "rows per second",
    min: 1,
    max: 100_000,
    byDefault: 2_000,
    about: "How many rows are moved to a new key in a second at most, by the one replica that does it."
  }),
  keysMoveEvery: Setting.duration({
    name: "CM_KEYS_MOVE_EVERY",
    min: "100 millis",
    max: "10 minutes",
    byDefault: "2 seconds",
    about: "How often a replica looks whether rows must be moved to a new key."
  }),
  keysErase: Setting.duration({
    name: "CM_KEYS_ERASE_AFTER",
    min: "1 minute",
    max: "365 days",
    byDefault: "1 day",
    about: "How long the material of a retired key is kept, wrapped, before it is erased."
  }),
  tenantRetention: Setting.duration({
    name: "CM_TENANT_RETENTION",
    min: "0 seconds",
    max: "36500 days",
    byDefault: "30 days",
    about:
      "How long after a tenant was removed its data keys are destroyed, so that no copy of its secrets opens any more; a tenant's own `retention` counts instead."
  }),
  keysAgeMin: Setting.duration({
    name: "CM_KEYS_AGE_MIN",
    min: "0 millis",
    max: "365 days",
    byDefault: "1 day",
    about:
      "A key of the service that followed another is followed by the next one no sooner than this, unless `force` says so: while rows are moved, every look-up that is not hot pays for both keys."
  }),
  keysReload: Setting.duration({
    name: "CM_KEYS_RELOAD",
    min: "100 millis",
    max: "1 minute",
    byDefault: "1 second",
    about: "How often a replica looks for keys that another one added."
  }),
  keysActivation: Setting.duration({
    name: "CM_KEYS_ACTIVATION",
    min: "1 second",
    max: "1 hour",
    byDefault: "10 seconds",
    about:
      "How long a new key of the service is only read with before it is written with, so that every replica knows it by then. At least five times CM_KEYS_RELOAD; the same for all replicas."
  })
})

/** A replica must have had several chances to learn of a key before anybody writes with it. */
const config = settings.pipe(
  Config.mapEffect((given) =>
    Duration.toMillis(given.keysActivation) < 5 * Duration.toMillis(given.keysReload)
      ? Effect.fail(
          new Config.ConfigError(
            new ConfigProvider.SourceError({ message: "CM_KEYS_ACTIVATION must be at least five times CM_KEYS_RELOAD" })
          )
        )
      : Effect.succeed(given)
  )
)

export class CryptoConfig extends Context.Service<CryptoConfig, Config.Success<typeof config>>()(
  "cm/crypto/CryptoConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
