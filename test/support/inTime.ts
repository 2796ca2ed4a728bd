/**
 * Something that has to happen before an end that it sets itself, on a machine that may be busy.
 *
 * An attempt is given how long its thing shall live. It answers undefined when that end came before it
 * was through, which says nothing about what is tested; then it is made again with twice the time.
 */
import { setTimeout as pause } from "node:timers/promises"

const firstMs = 1_500
const mostMs = 48_000

export const inTime = async <A>(attempt: (lifeMs: number) => Promise<A | undefined>): Promise<A> => {
  for (let lifeMs = firstMs; lifeMs <= mostMs; lifeMs *= 2) {
    const done = await attempt(lifeMs)
    if (done !== undefined) return done
  }
  throw new Error(`not through within ${mostMs} ms`)
}

/** Returns when the wall clock has come to a moment. */
export const reached = async (time: number): Promise<void> => {
  while (Date.now() < time) await pause(Math.max(1, time - Date.now()))
}
