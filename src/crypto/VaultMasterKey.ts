/**
 * A master key in HashiCorp Vault or OpenBao: the transit engine, over HTTP.
 *
 * The master key never leaves Vault; what we keep is its ciphertext (`vault:v1:…`). The place of a
 * key goes along as associated data, and as context for keys that were made with `derived=true`.
 * The token needs `update` on `encrypt` and `decrypt` of the one key and should have nothing else:
 * with `create`, Vault would make a key for a mistyped name.
 *
 * Does not renew its token (an agent does, into CM_VAULT_TOKEN_FILE), and follows no redirect,
 * since that would carry the token elsewhere. Answers of Vault are never repeated in errors but for
 * the status: they can hold what was sent.
 */
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { BodyTooLong, readBody } from "../http/BoundedBody.ts"
import { warnOf } from "../observability/Transport.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import { MasterKey, MasterKeyError, type MasterKeyReason, wrapBytesMax } from "./MasterKey.ts"
import * as RemoteKeyCall from "./RemoteKeyCall.ts"

type Operation = MasterKeyError["operation"]

/** The longest answer that is read, in bytes. */
const answerBytesMax = 64 * 1024
const loopback = /^https?:\/\/(localhost|127(?:\.\d{1,3}){3}|\[::1\])(:\d{1,5})?\/?$/u

const Answer = <K extends string>(key: K) =>
  Schema.decodeUnknownOption(
    Schema.fromJsonString(Schema.Struct({ data: Schema.Struct({ [key]: Schema.String } as Record<K, Schema.String>) }))
  )
const decodeCiphertext = Answer("ciphertext")
const decodePlaintext = Answer("plaintext")

/** What a status other than 200 means. `body` is only looked at for the one text that tells two 400 apart. Pure. */
export const reasonOf = (operation: Operation, status: number, body: string): MasterKeyReason => {
  switch (status) {
    case 400:
      if (body.includes("encryption key not found")) return "UnknownKey"
      return operation === "unwrap" ? "NotOpenable" : "Malformed"
    case 401:
    case 403:
      return "Denied"
    case 404:
      return "UnknownKey"
    case 429:
      return "Throttled"
    case 503:
      return "Sealed"
    default:
      return status === 412 || status >= 470 ? "Unreachable" : "Malformed"
  }
}

/** An answer that is longer than any of Vault's is none. */
const textOf = (answer: Response): Promise<string> =>
  readBody(answer.body, answerBytesMax).then(
    (body) => body.toString("utf8"),
    (cause: unknown) => (cause instanceof BodyTooLong ? "" : Promise.reject(cause))
  )

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64")

export const layer = Layer.effect(
  MasterKey,
  Effect.gen(function* () {
    const config = yield* CryptoConfig
    const address = config.vaultAddress.replace(/\/$/u, "")
    const masterKeyId = `vault:${config.vaultMount}/${config.vaultKey}`
    const failed = (operation: Operation, reason: MasterKeyReason, detail: string) =>
      new MasterKeyError({ reason, operation, masterKeyId, detail })

    if (!address.startsWith("https:") && !loopback.test(address)) {
      if (!config.vaultInsecure && !config.insecureTransport) {
        return yield* failed("open", "Denied", "CM_VAULT_ADDR has no TLS; CM_VAULT_INSECURE=true allows that")
      }
      yield* warnOf("Vault")
    }

    const token = (operation: Operation) =>
      config.vaultTokenFile === ""
        ? Option.match(config.vaultToken, {
            onNone: () =>
              Effect.fail(failed(operation, "Denied", "CM_VAULT_TOKEN_FILE or CM_VAULT_TOKEN must be given")),
            onSome: Effect.succeed
          })
        : Effect.tryPromise({
            try: () => readFile(config.vaultTokenFile, "utf8"),
            catch: () => failed(operation, "Denied", `${config.vaultTokenFile} (CM_VAULT_TOKEN_FILE) cannot be read`)
          }).pipe(Effect.map((text) => Redacted.make(text.trim())))

    const once = Effect.fnUntraced(function* (operation: "wrap" | "unwrap", fields: Readonly<Record<string, string>>) {
      const secret = Redacted.value(yield* token(operation))
      const verb = operation === "wrap" ? "encrypt" : "decrypt"
      const { body, status } = yield* Effect.tryPromise({
        try: async (signal) => {
          const answer = await fetch(`${address}/v1/${config.vaultMount}/${verb}/${config.vaultKey}`, {
            method: "POST",
            redirect: "manual",
            signal,
            headers: {
              "content-type": "application/json",
              "x-vault-request": "true",
              "x-vault-token": secret,
              ...(config.vaultNamespace === "" ? {} : { "x-vault-namespace": config.vaultNamespace })
            },
            body: JSON.stringify(fields)
          })
          return { status: answer.status, body: await textOf(answer) }
        },
        catch: () => failed(operation, "Unreachable", `no answer from ${address}`)
      })
      if (status === 200) return body
      return yield* failed(operation, reasonOf(operation, status, body), `${address} answered ${status}`)
    })
    const call = (operation: "wrap" | "unwrap", place: string, fields: Readonly<Record<string, string>>) =>
      RemoteKeyCall.bounded(
        once(operation, { ...fields, associated_data: base64(place), context: base64(place) }),
        { operation, masterKeyId },
        config.masterKeyTimeout
      )
    const malformed = (operation: Operation) => failed(operation, "Malformed", `${address} gave no such answer`)

    return MasterKey.of({
      activeId: masterKeyId,
      // Which key it is, not which Vault: another one's key of the same name fails to open what is stored.
      fingerprints: [{ masterKeyId, fingerprint: createHash("sha256").update(masterKeyId).digest("hex") }],
      wrap: Effect.fnUntraced(function* (place, key) {
        if (key.byteLength > wrapBytesMax) throw new Error("the key is too long to wrap")
        const answer = decodeCiphertext(yield* call("wrap", place, { plaintext: base64(key) }))
        return Option.isSome(answer) && answer.value.data.ciphertext.startsWith("vault:v")
          ? { masterKeyId, wrapped: Buffer.from(answer.value.data.ciphertext, "utf8") }
          : yield* malformed("wrap")
      }),
      unwrap: Effect.fnUntraced(function* (place, wrapped) {
        if (wrapped.masterKeyId !== masterKeyId)
          return yield* failed("unwrap", "UnknownKey", "not the key in CM_VAULT_KEY")
        const ciphertext = Buffer.from(wrapped.wrapped).toString("utf8")
        if (!ciphertext.startsWith("vault:v")) return yield* failed("unwrap", "NotOpenable", "not a transit ciphertext")
        const answer = decodePlaintext(yield* call("unwrap", place, { ciphertext }))
        return Option.isSome(answer) ? Buffer.from(answer.value.data.plaintext, "base64") : yield* malformed("unwrap")
      })
    })
  })
)
