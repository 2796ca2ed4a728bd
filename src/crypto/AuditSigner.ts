/**
 * Signs the heads of audit chains: Ed25519 (RFC 8032), with a key of the service that the master key
 * wraps. Who holds a public key can check a checkpoint without the service, and cannot make one.
 *
 * Public keys are the 32 bytes of RFC 8032 in base64url, without padding.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { KeyStore } from "../store/KeyStore.ts"
import * as ServiceKeys from "./ServiceKeys.ts"

export interface AuditSignature {
  readonly keyId: string
  readonly publicKey: string
  /** 64 bytes. */
  readonly signature: Uint8Array
}

export class AuditSigner extends Context.Service<
  AuditSigner,
  {
    readonly sign: (bytes: Uint8Array) => AuditSignature
    /** False also for a key that is not known here. */
    readonly verify: (keyId: string, bytes: Uint8Array, signature: Uint8Array) => boolean
    /** Null for a key that is not known here. */
    readonly publicKeyOf: (keyId: string) => string | null
  }
>()("cm/crypto/AuditSigner") {}

/** PKCS #8 of an Ed25519 seed: everything before the seed itself (RFC 8410, section 7). */
const pkcs8Head = Buffer.from("302e020100300506032b657004220420", "hex")

interface Pair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly publicText: string
}

/** Overwrites the seed. */
const pairOf = (seed: Uint8Array): Pair => {
  const der = Buffer.concat([pkcs8Head, seed])
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  der.fill(0)
  seed.fill(0)
  const publicKey = createPublicKey(privateKey)
  const publicText = publicKey.export({ format: "jwk" }).x ?? ""
  return { privateKey, publicKey, publicText }
}

const make = Effect.gen(function* () {
  const active = yield* ServiceKeys.ensure("audit-signing", null)
  const stored = (yield* (yield* KeyStore).keys).filter((key) => key.purpose === "audit-signing")
  const others = yield* Effect.forEach(
    stored.filter((key) => key.keyId !== active.stored.keyId && key.wrapped.length > 0),
    ServiceKeys.open
  )
  const pairs = new Map([active, ...others].map(({ material, stored: { keyId } }) => [keyId, pairOf(material)]))
  const { keyId } = active.stored
  const pair = pairs.get(keyId)!
  return AuditSigner.of({
    sign: (bytes) => ({ keyId, publicKey: pair.publicText, signature: sign(null, bytes, pair.privateKey) }),
    publicKeyOf: (by) => pairs.get(by)?.publicText ?? null,
    verify: (by, bytes, signature) => {
      const known = pairs.get(by)
      return known !== undefined && verify(null, bytes, known.publicKey, signature)
    }
  })
})

/** Needs `KeyStore` and `MasterKey`. Makes the key at the first start. */
export const layer = Layer.effect(AuditSigner, make)
