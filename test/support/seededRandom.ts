/** Repeatable randomness: prints its seed, and takes one from the environment (`SEED=123`). */
import { randomInt } from "node:crypto"

export interface Seeded {
  readonly seed: number
  /** In [0, 1). */
  readonly random: () => number
}

export const seededRandom = (what: string): Seeded => {
  const seed = Number(process.env.SEED ?? randomInt(2 ** 32))
  console.log(`${what}: SEED=${seed}`)
  let state = seed >>> 0
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { seed, random }
}
