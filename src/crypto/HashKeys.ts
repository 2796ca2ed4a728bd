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
import { timingSafeEqual } from "node:crypto"
import { type HmacKey, hmac, hmacKey, wipe } from "./Hmac.ts"

export const layerLength = 32
/** Rotations one key can carry; each adds one HMAC to every look-up that misses the hot table. */
export const layersMax = 32

export interface HashKeyMaterial {
  readonly keyId: string
  readonly material: Uint8Array
}

export interface HashKeys {
  readonly hash: (keyId: string, message: string) => Uint8Array
  /** Under each of these keys, in their order. Every one must be known here. */
  readonly hashAll: (
    keyIds: ReadonlyArray<string>,
    message: string
  ) => ReadonlyArray<{ readonly keyId: string; readonly hash: Uint8Array }>
  /** Overwrites what it hashes with; nothing is right that is hashed afterwards. */
  readonly wipe: () => void
}

interface Layer {
  /** Index of the layer before it, or -1: it hashes the message itself. */
  readonly before: number
  readonly key: HmacKey
}

export const isHashKeyLength = (bytes: number): boolean =>
  bytes > 0 && bytes % layerLength === 0 && bytes <= layersMax * layerLength

/** Overwrites the material: what stays is each layer combined with the pads. */
export const make = (keys: ReadonlyArray<HashKeyMaterial>): HashKeys => {
  // Layers stand behind those they build on, so one pass computes all.
  const layers: Array<Layer> = []
  const prefixes: Array<Uint8Array> = []
  /** Of each key: the indexes of its layers. */
  const paths = new Map<string, ReadonlyArray<number>>()
  for (const { keyId, material } of keys) {
    if (!isHashKeyLength(material.byteLength)) throw new Error("a token hash key has 1 to 32 layers of 32 bytes")
    const path: Array<number> = []
    for (let end = layerLength; end <= material.byteLength; end += layerLength) {
      const prefix = material.subarray(0, end)
      let at = prefixes.findIndex((known) => known.byteLength === end && timingSafeEqual(known, prefix))
      if (at < 0) {
        at = layers.push({ before: path.at(-1) ?? -1, key: hmacKey(prefix.subarray(end - layerLength)) }) - 1
        prefixes.push(prefix)
      }
      path.push(at)
    }
    paths.set(keyId, path)
  }
  for (const { material } of keys) material.fill(0)
  const pathOf = (keyId: string): ReadonlyArray<number> => {
    const path = paths.get(keyId)
    if (path === undefined) throw new Error("a token hash key that is not known here")
    return path
  }

  return {
    wipe: () => {
      for (const { key } of layers) wipe(key)
    },
    hash: (keyId, message) => {
      const [first, ...rest] = pathOf(keyId)
      let digest = hmac(layers[first!]!.key, message)
      for (const at of rest) digest = hmac(layers[at]!.key, digest)
      return digest
    },
    hashAll: (keyIds, message) => {
      const digests: Array<Uint8Array> = []
      for (const { before, key } of layers) digests.push(hmac(key, before < 0 ? message : digests[before]!))
      return keyIds.map((keyId) => ({ keyId, hash: digests[pathOf(keyId).at(-1)!]! }))
    }
  }
}

/** Moves a stored hash from a key to one that is its layers and `added` more: no value needed. */
export const advance = (hash: Uint8Array, added: Uint8Array): Uint8Array => {
  let digest = hash
  for (let at = 0; at < added.byteLength; at += layerLength) {
    const key = hmacKey(added.subarray(at, at + layerLength))
    digest = hmac(key, digest)
    wipe(key)
  }
  return digest
}
