/**
 * Waiting for a fact: looks again and again until what it sees satisfies the condition.
 *
 * The wait has a limit, and the error at its end says what was last seen (or how looking failed), so
 * that a failed test tells why.
 */
import { setTimeout as pause } from "node:timers/promises"
import { inspect } from "node:util"

export interface EventuallyOptions {
  readonly limitMs?: number
  readonly everyMs?: number
  /** What is waited for, for the error. */
  readonly what?: string
}

/** Resolves with the first value of `look` that satisfies `is`. A failing `look` counts as "not yet". */
export const eventually = async <A>(
  look: () => A | Promise<A>,
  is: (seen: A) => boolean,
  options: EventuallyOptions = {}
): Promise<A> => {
  const { everyMs = 20, limitMs = 120_000, what = "the condition" } = options
  const until = performance.now() + limitMs
  for (;;) {
    const last = await Promise.resolve()
      .then(look)
      .then(
        (seen) => ({ ok: true, seen }) as const,
        (error: unknown) => ({ ok: false, error }) as const
      )
    if (last.ok && is(last.seen)) return last.seen
    if (performance.now() > until) {
      const seen = last.ok ? inspect(last.seen, { depth: 6 }) : `an error: ${inspect(last.error)}`
      throw new Error(`${what} did not come true within ${limitMs} ms; last seen: ${seen}`)
    }
    await pause(everyMs)
  }
}
