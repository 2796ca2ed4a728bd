/**
 * Seals an answer to one reader: the `xkv1` box of nkeys (X25519, XSalsa20, Poly1305), over an
 * ephemeral key of ours, so that only the holder of the reader's seed opens it, and nobody on the bus.
 *
 * A key that makes the shared secret zero whatever the other side's is (a point of low order, RFC 7748
 * section 6.1) would seal to everybody, and a key that is not written in its one form would be
 * another key to whoever compares texts: neither is taken.
 *
 * The sender's key is made for each box and forgotten: it proves nothing about who sealed, which the
 * bus's permissions do. `sealedBy` is that key's public half, which the reader needs to open.
 */
import { createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto"
import { createCurve, fromPublic } from "@nats-io/nkeys"
import { Context, Layer } from "effect"

const keyPattern = /^X[A-Z2-7]{55}$/u
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
const pointBytes = 32

/** The point in the text of a key: base32 of one byte of prefix, the point, two bytes of checksum. */
const pointOf = (key: string): Uint8Array => {
  const bits = Array.from(key, (letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("")
  return Uint8Array.from({ length: pointBytes }, (_, at) => Number.parseInt(bits.slice(8 * (at + 1), 8 * (at + 2)), 2))
}

/** Whether the 32 bytes, least first, are a number below 2^255 - 19. */
const isCanonical = (point: Uint8Array): boolean =>
  point[31]! < 0x7f || (point[31] === 0x7f && (point[0]! < 0xed || point.subarray(1, 31).some((byte) => byte !== 0xff)))

/** A key of nobody's: with it every point of low order gives zero, as with any other. */
const probe = generateKeyPairSync("x25519").privateKey

/** OpenSSL refuses a shared secret that is zero. */
const sharesSecret = (point: Uint8Array): boolean => {
  const jwk = { kty: "OKP", crv: "X25519", x: Buffer.from(point).toString("base64url") }
  try {
    return diffieHellman({ privateKey: probe, publicKey: createPublicKey({ key: jwk, format: "jwk" }) }).some(Boolean)
  } catch {
    return false
  }
}

const isCurveKey = (key: string): boolean => {
  if (!keyPattern.test(key)) return false
  try {
    fromPublic(key)
    return true
  } catch {
    return false
  }
}

const refusal = (key: string): string | null => {
  if (!isCurveKey(key)) return "is not a public curve key of nkeys"
  const point = pointOf(key)
  if (!isCanonical(point)) return "is a curve key that is not in its canonical form"
  return sharesSecret(point) ? null : "is a curve key of low order, which would keep nothing secret"
}

export interface Conversation {
  /** Our key's public half: what the answer is sealed to. */
  readonly key: string
  /** Base64, as `seal`. */
  readonly seal: (recipient: string, plaintext: Uint8Array) => string
  /** What was sealed to our key with the one of `from`; null when it is not, or `from` is refused. */
  readonly open: (sealed: string, from: string) => Uint8Array | null
  /** Forgets our key. */
  readonly end: () => void
}

export class CurveBox extends Context.Service<
  CurveBox,
  {
    /** Why nothing is sealed to a key, or null: a public curve key is `X…`, with its checksum right. */
    readonly refusal: (key: string) => string | null
    /** `recipient` is a key that is not refused; another one dies. `sealed` is base64. */
    readonly seal: (recipient: string, plaintext: Uint8Array) => { readonly sealed: string; readonly sealedBy: string }
    /** A key of ours for one question and its answer. */
    readonly conversation: () => Conversation
  }
>()("cm/crypto/CurveBox") {
  static readonly layer = Layer.succeed(CurveBox, {
    refusal,
    seal: (recipient, plaintext) => {
      const sender = createCurve()
      const sealed = Buffer.from(sender.seal(plaintext, recipient)).toString("base64")
      const sealedBy = sender.getPublicKey()
      sender.clear()
      return { sealed, sealedBy }
    },
    conversation: () => {
      const ours = createCurve()
      return {
        key: ours.getPublicKey(),
        seal: (recipient, plaintext) => Buffer.from(ours.seal(plaintext, recipient)).toString("base64"),
        open: (sealed, from) => {
          if (refusal(from) !== null) return null
          try {
            return ours.open(Buffer.from(sealed, "base64"), from) ?? null
          } catch {
            return null
          }
        },
        end: () => ours.clear()
      }
    }
  })
}
