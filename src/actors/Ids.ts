/**
 * New identifiers and token values.
 *
 * Ids are UUIDv7 (RFC 9562, section 5.7): 48 bits of UNIX milliseconds, then a counter seeded at
 * random and raised within a millisecond (section 6.2, method 2), so the ids of one replica are
 * strictly ordered; the rest is random. Token values come from the operating system's generator,
 * without modulo bias.
 */
import { randomBytes, randomInt } from "node:crypto"
import { Clock, Context, Effect, Layer } from "effect"
import { TenantsConfig } from "./TenantsConfig.ts"

export const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

export class Ids extends Context.Service<
  Ids,
  {
    readonly next: () => string
    readonly tokenValue: () => string
  }
>()("cm/actors/Ids") {
  static readonly layer = Layer.effect(
    Ids,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const { tokenLength } = yield* TenantsConfig
      let lastMs = 0
      let counter = 0
      const next = () => {
        const now = clock.currentTimeMillisUnsafe()
        if (now > lastMs) {
          lastMs = now
          counter = randomInt(0x400)
        } else if (++counter > 0xfff) {
          lastMs += 1
          counter = 0
        }
        const tail = randomBytes(8).toString("hex")
        const time = lastMs.toString(16).padStart(12, "0")
        const variant = ((Number.parseInt(tail.slice(0, 1), 16) & 0x3) | 0x8).toString(16)
        return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, "0")}-${variant}${tail.slice(1, 4)}-${tail.slice(4, 16)}`
      }
      const tokenValue = () =>
        Array.from({ length: tokenLength }, () => tokenAlphabet.charAt(randomInt(tokenAlphabet.length))).join("")
      return { next, tokenValue }
    })
  )
}
