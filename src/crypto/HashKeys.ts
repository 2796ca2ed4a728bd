/**
 * The keys that token values are hashed with, as layers.
 *
 * A token hash key is one or more layers of 32 bytes. The hash under it is HMAC-SHA-256 with the
 * first layer over the message, then with each further layer over the hash so far. A rotated key is
 * the old key's layers and a fresh one: a stored hash moves to it by one HMAC, without the value,
 * and knowing the old layers tells nothing of a hash under the new (decisions/key-rotation.md).
 *
 * Keys that begin alike share the work: after a rotation, both hashes cost one HMAC more than one.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"

export const layerLength = 32
/** Rotations one key can carry; each adds one HMAC to every look-up that misses the hot table. */
export const layersMax = 32

export interface HashKeyMaterial {
  readonly keyId: string
  readonly material: Uint8Array
}

export interface HashKeys {
  /** Under the first key. */
  readonly hash: (message: string) => Uint8Array
  /** Under every key, in the order given. */
  readonly hashAll: (message: string) => ReadonlyArray<{ readonly keyId: string; readonly hash: Uint8Array }>
}

interface Layer {
  /** Index of the layer before it, or -1: it hashes the message itself. */
  readonly before: number
  readonly key: KeyObject
}

export const isHashKeyLength = (bytes: number): boolean =>
  bytes > 0 && bytes % layerLength === 0 && bytes <= layersMax * layerLength

const hmac = (key: KeyObject, data: string | Uint8Array): Uint8Array => createHmac("sha256", key).update(data).digest()

/** `keys` is not empty; the first is the active one. The material may be overwritten afterwards. */
export const make = (keys: ReadonlyArray<HashKeyMaterial>): HashKeys => {
  const layers: Array<Layer> = []
  const prefixes: Array<Uint8Array> = []
  const ends = keys.map(({ keyId, material }) => {
    if (!isHashKeyLength(material.byteLength)) throw new Error("a token hash key has 1 to 32 layers of 32 bytes")
    let before = -1
    for (let end = layerLength; end <= material.byteLength; end += layerLength) {
      const prefix = material.subarray(0, end)
      let at = prefixes.findIndex((known) => known.byteLength === end && timingSafeEqual(known, prefix))
      if (at < 0) {
        at = layers.push({ before, key: createSecretKey(prefix.subarray(end - layerLength)) }) - 1
        prefixes.push(prefix)
      }
      before = at
    }
    return { keyId, at: before }
  })
  // Layers stand behind those they build on, so one pass computes all.
  const active = ends[0]!
  const activePath: Array<KeyObject> = []
  for (let at = active.at; at >= 0; at = layers[at]!.before) activePath.unshift(layers[at]!.key)

  return {
    hash: (message) => {
      let digest = hmac(activePath[0]!, message)
      for (let i = 1; i < activePath.length; i++) digest = hmac(activePath[i]!, digest)
      return digest
    },
    hashAll: (message) => {
      const digests: Array<Uint8Array> = []
      for (const { before, key } of layers) digests.push(hmac(key, before < 0 ? message : digests[before]!))
      return ends.map(({ at, keyId }) => ({ keyId, hash: digests[at]! }))
    }
  }
}

/** Moves a stored hash from a key to one that is its layers and `added` more: no value needed. */
export const advance = (hash: Uint8Array, added: Uint8Array): Uint8Array => {
  let digest = hash
  for (let at = 0; at < added.byteLength; at += layerLength) {
    digest = hmac(createSecretKey(added.subarray(at, at + layerLength)), digest)
  }
  return digest
}
