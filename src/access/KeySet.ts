/**
 * An issuer's public keys, as read from its JWKS: only those that can sign what is accepted, and not many.
 *
 * What an issuer publishes is not ours to trust: keys of other kinds, for encryption, too weak, too large,
 * or with private parts are passed over, and the number and size of what is kept is bounded. Sets that say the
 * same give the same key object, so that what was verified with a key is known to be with one that is still there.
 */
import type { importJWK, JWK } from "jose"
import type { Algorithm } from "./BearerToken.ts"

export const keysMax = 32
const fieldLengthMax = 1_400
const keyIdLengthMax = 1_024
/** An RSA modulus of 2,048 bits in base64url. */
const modulusLengthMin = 342

export interface Key {
  readonly keyId: string | null
  readonly algorithms: ReadonlyArray<Algorithm>
  /** All that makes it this key. */
  readonly text: string
  readonly jwk: JWK
  /** Made at first use, for each algorithm. */
  readonly imported: Map<Algorithm, ReturnType<typeof importJWK>>
}

const isText = (value: unknown, max = fieldLengthMax): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= max

/** What a key of this kind can sign with; nothing for one that is not accepted. */
const algorithmsOf = (jwk: Readonly<Record<string, unknown>>): ReadonlyArray<Algorithm> => {
  switch (jwk.kty) {
    case "RSA":
      return isText(jwk.n) && jwk.n.length >= modulusLengthMin && isText(jwk.e, 16) ? ["RS256", "PS256"] : []
    case "EC":
      if (!isText(jwk.x, 128) || !isText(jwk.y, 128)) return []
      return jwk.crv === "P-256" ? ["ES256"] : jwk.crv === "P-384" ? ["ES384"] : []
    case "OKP":
      return jwk.crv === "Ed25519" && isText(jwk.x, 128) ? ["EdDSA"] : []
    default:
      return []
  }
}

const isForVerifying = ({ d, key_ops, use }: Readonly<Record<string, unknown>>): boolean =>
  d === undefined && (use === undefined || use === "sig") && (!Array.isArray(key_ops) || key_ops.includes("verify"))

const keyOf = (value: unknown): Key | null => {
  if (typeof value !== "object" || value === null) return null
  const jwk = value as Readonly<Record<string, unknown>>
  const { alg, crv, e, kid, kty, n, x, y } = jwk
  if (!isForVerifying(jwk) || (kid !== undefined && !isText(kid, keyIdLengthMax))) return null
  const algorithms = algorithmsOf(jwk).filter((algorithm) => alg === undefined || alg === algorithm)
  // Another name of EdDSA over this curve.
  if (jwk.kty === "OKP" && alg === "Ed25519") algorithms.push("EdDSA")
  if (algorithms.length === 0) return null
  const parts = Object.fromEntries(
    Object.entries({ kty, crv, n, e, x, y }).filter(([, part]) => typeof part === "string")
  )
  const text = JSON.stringify([kid ?? null, algorithms, parts])
  return { keyId: (kid as string | undefined) ?? null, algorithms, text, jwk: parts as JWK, imported: new Map() }
}

/** Null: not a JWKS. Keys that `before` holds, too, are the same objects. */
export const parseKeySet = (body: unknown, before: ReadonlyArray<Key> = []): ReadonlyArray<Key> | null => {
  const list = typeof body === "object" && body !== null ? (body as { readonly keys?: unknown }).keys : undefined
  if (!Array.isArray(list)) return null
  const known = new Map(before.map((key) => [key.text, key]))
  const keys: Array<Key> = []
  for (const value of list) {
    const key = keyOf(value)
    if (key === null || keys.some(({ text }) => text === key.text)) continue
    keys.push(known.get(key.text) ?? key)
    if (keys.length === keysMax) break
  }
  return keys
}

/** Those that may have made a signature: of the id when the token names one. */
export const candidates = (keys: ReadonlyArray<Key>, algorithm: Algorithm, keyId: string | null): ReadonlyArray<Key> =>
  keys.filter((key) => key.algorithms.includes(algorithm) && (keyId === null || key.keyId === keyId))

/** Rejects for what cannot be made a key of. @param make the library's */
export const importKey = (make: typeof importJWK, key: Key, algorithm: Algorithm): ReturnType<typeof importJWK> => {
  const present = key.imported.get(algorithm)
  if (present !== undefined) return present
  const importing = make(key.jwk, algorithm)
  key.imported.set(algorithm, importing)
  return importing
}

/** About how much memory a set takes. */
export const bytesOf = (keys: ReadonlyArray<Key>): number =>
  keys.reduce((sum, { text }) => sum + text.length * 4 + 1_024, 512)
