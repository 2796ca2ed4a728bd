/**
 * The port by which an entry of the lease bucket proves that a replica wrote it under its very key.
 *
 * A NATS server copies stored messages to whatever subject it is asked to answer on. So whoever may ask it can
 * plant a copy of one entry under the name of another, and an entry proves nothing by being there. The tag is
 * made with a key that only replicas hold, over the bucket, the key and all that the entry says.
 *
 * `main.ts` provides it from `crypto`; this room may not know that one.
 */
import { createHmac, timingSafeEqual } from "node:crypto"
import { Context, Layer } from "effect"

export class LeaseSeal extends Context.Service<
  LeaseSeal,
  {
    /** The same text has the same tag on every replica, and nobody else can make it. */
    readonly tagOf: (text: string) => string
    /** Whether a replica made this tag for this text. */
    readonly matches: (text: string, tag: string) => boolean
  }
>()("cm/coherence/LeaseSeal") {
  /** With a key given: for replicas of a test. */
  static readonly layerWith = (key: string) =>
    Layer.sync(LeaseSeal, () => {
      const tagOf = (text: string) => createHmac("sha256", key).update(text).digest("base64url")
      return {
        tagOf,
        matches: (text, tag) => {
          const [own, given] = [Buffer.from(tagOf(text)), Buffer.from(tag)]
          return own.length === given.length && timingSafeEqual(own, given)
        }
      }
    })
}
