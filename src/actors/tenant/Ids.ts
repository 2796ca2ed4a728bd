/**
 * New identifiers and token values.
 *
 * Ids are UUIDv7 (RFC 9562, section 5.7): 48 bits of UNIX milliseconds, then a counter seeded at
 * random and raised within a millisecond (section 6.2, method 2), so the ids of one replica are
 * strictly ordered; the rest is random. Token values come from the operating system's generator,
 * without modulo bias, drawn for those that are made in one go (`crypto/FreshRandom.ts`).
 *
 * The random parts of ids are drawn ahead. A cloned virtual machine may draw the same, which is an id twice
 * only within the same millisecond: then the database refuses the second. An id is no secret.
 */
import { randomFillSync, randomInt } from "node:crypto"
import { Clock, Context, Effect, Layer } from "effect"
import { freshTexts } from "../../crypto/FreshRandom.ts"
import { TenantsConfig } from "./TenantsConfig.ts"

export const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/** The random part of an id: bytes are fetched for many at once, since one call costs more than an id. */
const tailBytes = 8
const tails = Buffer.alloc(tailBytes * 256)
let tailsAt = tails.byteLength
/** In hexadecimal, with the variant of RFC 9562 in its first two bits. */
const takeTail = (): string => {
  if (tailsAt === tails.byteLength) {
    randomFillSync(tails)
    tailsAt = 0
  }
  tails[tailsAt] = (tails[tailsAt]! & 0x3f) | 0x80
  tailsAt += tailBytes
  return tails.toString("hex", tailsAt - tailBytes, tailsAt)
}

/** The milliseconds of an id, as its first two groups. */
const timeGroups = (ms: number): string => {
  const time = ms.toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}`
}

export class Ids extends Context.Service<
  Ids,
  {
    readonly next: () => string
    /** Of so many characters, all of this alphabet; null: as configured for the service. */
    readonly tokenValue: (length?: number | null, alphabet?: string | null) => string
    readonly tokenValues: (count: number, length?: number | null, alphabet?: string | null) => ReadonlyArray<string>
  }
>()("cm/actors/Ids") {
  static readonly layer = Layer.effect(
    Ids,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const { tokenLength } = yield* TenantsConfig
      let lastMs = 0
      let lastTime = timeGroups(lastMs)
      let counter = 0
      const begin = (ms: number, first: number) => {
        lastMs = ms
        lastTime = timeGroups(ms)
        counter = first
      }
      const next = () => {
        const now = clock.currentTimeMillisUnsafe()
        if (now > lastMs) begin(now, randomInt(0x400))
        else if (++counter > 0xfff) begin(lastMs + 1, 0)
        const tail = takeTail()
        return `${lastTime}-7${counter.toString(16).padStart(3, "0")}-${tail.slice(0, 4)}-${tail.slice(4)}`
      }
      const tokenValues: Ids["Service"]["tokenValues"] = (count, length, alphabet) =>
        freshTexts(count, length ?? tokenLength, alphabet ?? tokenAlphabet)
      return { next, tokenValue: (length, alphabet) => tokenValues(1, length, alphabet)[0]!, tokenValues }
    })
  )
}
