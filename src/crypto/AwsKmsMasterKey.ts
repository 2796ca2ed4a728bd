/**
 * A master key in AWS KMS, through AWS's own SDK.
 *
 * The SDK is loaded only when this layer is built, and is not installed with the service: who
 * chooses it adds `@aws-sdk/client-kms` (decisions/aws-kms-sdk.md). Where credentials come from is
 * the SDK's matter (environment, profile, web identity, instance). The place of a key is its
 * encryption context, which KMS binds into the ciphertext and writes into CloudTrail.
 */
import { createHash } from "node:crypto"
import { Effect, Layer } from "effect"
import { CryptoConfig } from "./CryptoConfig.ts"
import { MasterKey, MasterKeyError, type MasterKeyReason, wrapBytesMax } from "./MasterKey.ts"
import * as RemoteKeyCall from "./RemoteKeyCall.ts"

type Operation = MasterKeyError["operation"]

/** What is used of the SDK, spelled out: its own types are there only when it is installed. */
interface Sdk {
  readonly KMSClient: new (
    options: object
  ) => {
    readonly send: (
      command: object,
      options: { readonly abortSignal: AbortSignal }
    ) => Promise<{ readonly CiphertextBlob?: Uint8Array; readonly Plaintext?: Uint8Array }>
    readonly destroy: () => void
  }
  readonly EncryptCommand: new (input: object) => object
  readonly DecryptCommand: new (input: object) => object
}

const packageName = "@aws-sdk/client-kms"

/** Names of errors, by the SDK and by KMS. Pure. */
export const reasonOf = (operation: Operation, name: string): MasterKeyReason => {
  switch (name) {
    case "InvalidCiphertextException":
    case "IncorrectKeyException":
      return operation === "unwrap" ? "NotOpenable" : "Malformed"
    case "NotFoundException":
      return "UnknownKey"
    case "AccessDeniedException":
    case "UnrecognizedClientException":
    case "InvalidClientTokenId":
    case "InvalidSignatureException":
    case "IncompleteSignatureException":
    case "SignatureDoesNotMatch":
    case "ExpiredTokenException":
    case "MissingAuthenticationTokenException":
    case "CredentialsProviderError":
    case "DisabledException":
    case "InvalidKeyUsageException":
    case "KMSInvalidStateException":
      return "Denied"
    case "ThrottlingException":
    case "LimitExceededException":
    case "RequestLimitExceeded":
    case "TooManyRequestsException":
      return "Throttled"
    default:
      // The SDK's "TimeoutError" is a lost connection; how long we wait is counted outside.
      return "Unreachable"
  }
}

const nameOf = (cause: unknown): string => (cause instanceof Error ? cause.name : "unknown")

export const layer = Layer.effect(
  MasterKey,
  Effect.gen(function* () {
    const { kmsEndpoint, kmsKey, masterKeyTimeout } = yield* CryptoConfig
    const failed = (operation: Operation, reason: MasterKeyReason, detail: string) =>
      new MasterKeyError({ reason, operation, masterKeyId: kmsKey, detail })
    if (kmsKey === "") return yield* failed("open", "UnknownKey", "CM_AWS_KMS_KEY must be given")

    const sdk = yield* Effect.tryPromise({
      try: (): Promise<Sdk> => import(packageName),
      catch: () => failed("open", "Denied", `the package ${packageName} is not installed: npm install ${packageName}`)
    })
    const client = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new sdk.KMSClient({
            region: kmsKey.split(":")[3],
            // Tries are counted here and not twice.
            maxAttempts: 1,
            ...(kmsEndpoint === "" ? {} : { endpoint: kmsEndpoint })
          })
      ),
      (opened) => Effect.sync(() => opened.destroy())
    )
    const call = (operation: "wrap" | "unwrap", command: object) =>
      RemoteKeyCall.bounded(
        Effect.tryPromise({
          try: (abortSignal) => client.send(command, { abortSignal }),
          catch: (cause) => failed(operation, reasonOf(operation, nameOf(cause)), nameOf(cause))
        }),
        { operation, masterKeyId: kmsKey },
        masterKeyTimeout
      )
    const context = (place: string) => ({ KeyId: kmsKey, EncryptionContext: { "cm-key": place } })
    const malformed = (operation: Operation) => failed(operation, "Malformed", "KMS gave no such answer")

    return MasterKey.of({
      activeId: kmsKey,
      fingerprints: [{ masterKeyId: kmsKey, fingerprint: createHash("sha256").update(kmsKey).digest("hex") }],
      wrap: Effect.fnUntraced(function* (place, key) {
        if (key.byteLength > wrapBytesMax) throw new Error("the key is too long to wrap")
        const answer = yield* call("wrap", new sdk.EncryptCommand({ ...context(place), Plaintext: key }))
        return answer.CiphertextBlob === undefined
          ? yield* malformed("wrap")
          : { masterKeyId: kmsKey, wrapped: answer.CiphertextBlob }
      }),
      unwrap: Effect.fnUntraced(function* (place, wrapped) {
        if (wrapped.masterKeyId !== kmsKey)
          return yield* failed("unwrap", "UnknownKey", "not the key in CM_AWS_KMS_KEY")
        if (wrapped.wrapped.byteLength === 0) return yield* failed("unwrap", "NotOpenable", "nothing to open")
        const command = new sdk.DecryptCommand({ ...context(place), CiphertextBlob: wrapped.wrapped })
        const answer = yield* call("unwrap", command)
        return answer.Plaintext === undefined ? yield* malformed("unwrap") : answer.Plaintext
      })
    })
  })
)
