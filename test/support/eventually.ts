/**
 * Waiting for a fact: looks again and again until what it sees satisfies the condition.
 *
 * The wait has a limit, and the error at its end says what was last seen (or how looking failed), so
 * that a failed test tells why. What has not come true for long is looked for less often, as looking keeps the processor
 * from whatever is waited for: that costs a twentieth of the time at most.
 */
import { setTimeout as pause } from "node:timers/promises"
import { inspect } from "node:util"

export interface EventuallyOptions {
  readonly limitMs?: number
  readonly everyMs?: number
  /** What is waited for, for the error. */
  readonly what?: string
}

/** At first, and however long it takes. What comes and goes sooner is looked for with an `everyMs` of its own. */
const oftenMs = 20
const seldomMs = 100

/** Resolves with the first value of `look` that satisfies `is`. A failing `look` counts as "not yet". */
export const eventually = async <A>(
  look: () => A | Promise<A>,
  is: (seen: A) => boolean,
  options: EventuallyOptions = {}
): Promise<A> => {
  const { everyMs, limitMs = 120_000, what = "the condition" } = options
  const since = performance.now()
  const until = since + limitMs
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
    await pause(everyMs ?? Math.min(seldomMs, Math.max(oftenMs, (performance.now() - since) / 20)))
  }
}
