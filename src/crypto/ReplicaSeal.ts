/**
 * Tags that one replica makes and another checks, for what stands where others can write, too.
 *
 * HMAC-SHA-256 with a key of the service that only replicas hold, in base64url. What is tagged begins with what
 * it is for, so that a tag made for one thing fits no other.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { KeyStore } from "../store/KeyStore.ts"
import { atStart } from "../store/StartWait.ts"
import * as ServiceKeys from "./ServiceKeys.ts"

export class ReplicaSeal extends Context.Service<
  ReplicaSeal,
  {
    /** The same on every replica. */
    readonly tagOf: (text: string) => string
    /** Whether a replica made it for this text, with the key in use or one before it. */
    readonly matches: (text: string, tag: string) => boolean
  }
>()("cm/crypto/ReplicaSeal") {}

const keyOf = (material: Uint8Array): KeyObject => {
  const key = createSecretKey(material)
  material.fill(0)
  return key
}

const digest = (key: KeyObject, text: string): Buffer => createHmac("sha256", key).update(text).digest()

const read = Effect.gen(function* () {
  const active = yield* ServiceKeys.ensure("replica-seal", null)
  const stored = (yield* (yield* KeyStore).keys).filter(({ purpose }) => purpose === "replica-seal")
  const others = yield* Effect.forEach(
    stored.filter((key) => key.keyId !== active.stored.keyId && key.wrapped.length > 0),
    ServiceKeys.openUnlessNobodys
  )
  return [active.material, ...others.filter((material) => material !== null)].map(keyOf)
})

const make = Effect.map(read.pipe(atStart("the seal of replicas")), (keys) =>
  ReplicaSeal.of({
    tagOf: (text) => digest(keys[0]!, text).toString("base64url"),
    matches: (text, tag) => {
      const given = Buffer.from(tag, "base64url")
      return keys.some((key) => {
        const own = digest(key, text)
        return own.length === given.length && timingSafeEqual(own, given)
      })
    }
  })
)

/** Needs `KeyStore`, `KeyRotationStore` and `MasterKey`. Makes the key at the first start. */
export const layer = Layer.effect(ReplicaSeal, make)
