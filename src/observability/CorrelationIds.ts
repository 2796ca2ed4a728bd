/**
 * Correlation ids of our own, for what came without one: a request, an event of another service.
 *
 * A beginning that no other replica has, and a count.
 */
import { Effect, Random } from "effect"

export const make: Effect.Effect<() => string> = Effect.map(Random.Random, (random) => {
  const word = () => Math.floor(random.nextDoubleUnsafe() * 2 ** 32)
  const hex = (number: number, length: number) => number.toString(16).padStart(length, "0")
  const beginning = hex(word(), 8) + hex(word(), 8)
  let count = 0
  return () => beginning + hex(count++, 16)
})
