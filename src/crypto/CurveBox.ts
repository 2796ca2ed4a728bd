/**
 * Seals an answer to one reader: the `xkv1` box of nkeys (X25519, XSalsa20, Poly1305), over an
 * ephemeral key of ours, so that only the holder of the reader's seed opens it, and nobody on the bus.
 *
 * The sender's key is made for each box and forgotten: it proves nothing about who sealed, which the
 * bus's permissions do. `sealedBy` is that key's public half, which the reader needs to open.
 */
import { createCurve, fromPublic } from "@nats-io/nkeys"
import { Context, Layer } from "effect"

const keyPattern = /^X[A-Z2-7]{55}$/u
export class CurveBox extends Context.Service<
  CurveBox,
  {
    /** Whether a text is a public curve key: `X…`, with its checksum right. */
    readonly accepts: (key: string) => boolean
    /** `recipient` is a key that is accepted; another one dies. `sealed` is base64. */
    readonly seal: (recipient: string, plaintext: Uint8Array) => { readonly sealed: string; readonly sealedBy: string }
  }
>()("cm/crypto/CurveBox") {
  static readonly layer = Layer.succeed(CurveBox, {
    accepts: (key) => {
      if (!keyPattern.test(key)) return false
      try {
        fromPublic(key)
        return true
      } catch {
        return false
      }
    },
    seal: (recipient, plaintext) => {
      const sender = createCurve()
      const sealed = Buffer.from(sender.seal(plaintext, recipient)).toString("base64")
      const sealedBy = sender.getPublicKey()
      sender.clear()
      return { sealed, sealedBy }
    }
  })
}
