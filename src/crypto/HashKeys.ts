/**
 * The keys that token values are hashed with: layers, and a cover.
 *
 * A token hash key is one or more layers of 32 bytes and, once it followed another, a cover (`HashCover.ts`).
 * The hash under it is HMAC-SHA-256 with the first layer over the message, then with each further layer over
 * the hash so far, and then covered. A rotated key has the old key's layers and a fresh cover: a stored hash
 * moves to it without the value, by one cover off and one on, and knowing the old cover tells nothing of a
 * hash under the new. So however often it is rotated, a hash is as deep as after the first time
 * (decisions/key-rotation.md). Keys of before the cover have several layers; what they have they keep.
 *
 * Keys that begin alike share the work: after a rotation, both hashes cost one cover more than one.
 */
import { timingSafeEqual } from "node:crypto"
import * as HashCover from "./HashCover.ts"
import { type HmacKey, hmac, hmacKey, wipe } from "./Hmac.ts"

export const layerLength = 32
/** Layers that a key of before the cover may have. No key gets another one. */
export const layersMax = 32
/** Before the layers of a key that has a cover behind them; without it, all is layers. */
const withCover = 0x02

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
  /** What `hashAll` over all keys comes to. */
  readonly steps: { readonly hmacs: number; readonly covers: number }
  /** Overwrites what it hashes with; nothing is right that is hashed afterwards. */
  readonly wipe: () => void
}

interface Layer {
  /** Index of the layer before it, or -1: it hashes the message itself. */
  readonly before: number
  readonly key: HmacKey
}

/** Views of the material. */
interface Parts {
  readonly layers: Uint8Array
  readonly cover: Uint8Array | null
}

const partsOf = (material: Uint8Array): Parts => {
  const isCovered = material[0] === withCover && material.byteLength % layerLength === 1
  const layers = isCovered ? material.subarray(1, material.byteLength - HashCover.coverLength) : material
  const bytes = layers.byteLength
  if (bytes === 0 || bytes % layerLength !== 0 || bytes > layersMax * layerLength) {
    throw new Error("a token hash key has 1 to 32 layers of 32 bytes, and may have a cover")
  }
  return { layers, cover: isCovered ? material.subarray(material.byteLength - HashCover.coverLength) : null }
}

/** The material of the key that follows `material`: its layers, and `cover` in place of its own. */
export const followed = (material: Uint8Array, cover: Uint8Array): Uint8Array => {
  const { layers } = partsOf(material)
  // Memory of its own, never of the pool that other buffers are cut from.
  const next = new Uint8Array(1 + layers.byteLength + HashCover.coverLength)
  next[0] = withCover
  next.set(layers, 1)
  next.set(cover, 1 + layers.byteLength)
  return next
}

/** Overwrites the material: what stays is each layer combined with the pads, and the covers' key objects. */
export const make = (keys: ReadonlyArray<HashKeyMaterial>): HashKeys => {
  // Layers stand behind those they build on, so one pass computes all.
  const layers: Array<Layer> = []
  const prefixes: Array<Uint8Array> = []
  /** Of each key: the indexes of its layers, and its cover. */
  const paths = new Map<string, { readonly path: ReadonlyArray<number>; readonly cover: HashCover.HashCover | null }>()
  for (const { keyId, material } of keys) {
    const parts = partsOf(material)
    const path: Array<number> = []
    for (let end = layerLength; end <= parts.layers.byteLength; end += layerLength) {
      const prefix = parts.layers.subarray(0, end)
      let at = prefixes.findIndex((known) => known.byteLength === end && timingSafeEqual(known, prefix))
      if (at < 0) {
        at = layers.push({ before: path.at(-1) ?? -1, key: hmacKey(prefix.subarray(end - layerLength)) }) - 1
        prefixes.push(prefix)
      }
      path.push(at)
    }
    paths.set(keyId, { path, cover: parts.cover === null ? null : HashCover.make(parts.cover) })
  }
  for (const { material } of keys) material.fill(0)
  const pathOf = (keyId: string) => {
    const known = paths.get(keyId)
    if (known === undefined) throw new Error("a token hash key that is not known here")
    return known
  }

  return {
    steps: {
      hmacs: layers.length,
      covers: Array.from(paths.values()).filter(({ cover }) => cover !== null).length
    },
    wipe: () => {
      for (const { key } of layers) wipe(key)
    },
    hash: (keyId, message) => {
      const { cover, path } = pathOf(keyId)
      const [first, ...rest] = path
      let digest = hmac(layers[first!]!.key, message)
      for (const at of rest) digest = hmac(layers[at]!.key, digest)
      return cover === null ? digest : cover.put(digest)
    },
    hashAll: (keyIds, message) => {
      const digests: Array<Uint8Array> = []
      for (const { before, key } of layers) digests.push(hmac(key, before < 0 ? message : digests[before]!))
      return keyIds.map((keyId) => {
        const { cover, path } = pathOf(keyId)
        const digest = digests[path.at(-1)!]!
        return { keyId, hash: cover === null ? digest : cover.put(digest) }
      })
    }
  }
}

/** Moves stored hashes from one key to another without the values. */
export interface HashMover {
  /** Null: it is no hash under the first key. */
  readonly move: (hash: Uint8Array) => Uint8Array | null
  readonly wipe: () => void
}

const startsWith = (all: Uint8Array, start: Uint8Array): boolean =>
  all.byteLength >= start.byteLength && timingSafeEqual(all.subarray(0, start.byteLength), start)

/** Null when no hash under `from` can be followed to `to`. The material stays the caller's to overwrite. */
export const mover = (from: Uint8Array, to: Uint8Array): HashMover | null => {
  const [old, next] = [partsOf(from), partsOf(to)]
  const sameLayers = old.layers.byteLength === next.layers.byteLength
  // What is beneath a cover was cut: no layer can be put on it.
  const canFollow = startsWith(next.layers, old.layers) && (sameLayers ? next.cover !== null : old.cover === null)
  if (!canFollow) return null
  const added: Array<HmacKey> = []
  for (let at = old.layers.byteLength; at < next.layers.byteLength; at += layerLength) {
    added.push(hmacKey(next.layers.subarray(at, at + layerLength)))
  }
  const oldCover = old.cover === null ? null : HashCover.make(old.cover)
  const nextCover = next.cover === null ? null : HashCover.make(next.cover)
  return {
    move: (hash) => {
      let digest = oldCover === null ? hash : oldCover.takeOff(hash)
      if (digest === null) return null
      for (const key of added) digest = hmac(key, digest)
      return nextCover === null ? digest : nextCover.put(digest)
    },
    wipe: () => {
      for (const key of added) wipe(key)
    }
  }
}
