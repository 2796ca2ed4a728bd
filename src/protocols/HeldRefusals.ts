/**
 * Refusals of what is over a limit, told a little later.
 *
 * Whoever is refused is asked to come again in a second. One that comes again at once would be refused as fast
 * as it can ask, and take the processor with it; so it learns of its refusal after `holdMs`, in turns with what
 * others ask. No more than `heldMax` wait so, and nothing large; one more is told at once.
 */
import { Effect, type Scope } from "effect"
import * as Deadlines from "../observability/Deadlines.ts"

export const holdMs = 100
export const heldMax = 1_024
/** What is refused is kept until then. */
export const heldBytesMax = 4_096

export interface HeldRefusals {
  /** `tell` is called once, now or later. */
  readonly hold: (bytes: number, tell: () => void) => void
  /** Tells all that are held, and from now on at once. */
  readonly end: Effect.Effect<void>
}

/** `inTurn` calls what it is given, once, now or later. */
export const make = Effect.fnUntraced(function* (
  inTurn: (tell: () => void) => void
): Generator<Effect.Effect<unknown, never, Scope.Scope>, HeldRefusals, never> {
  const deadlines = yield* Deadlines.make("refusals", holdMs)
  const held = new Set<() => void>()
  let isOpen = true
  return {
    hold: (bytes, tell) => {
      if (!isOpen || held.size >= heldMax || bytes > heldBytesMax) return tell()
      const end = deadlines.begin(() => inTurn(once))
      const once = () => {
        end()
        if (held.delete(once)) tell()
      }
      held.add(once)
    },
    end: Effect.sync(() => {
      isOpen = false
      for (const once of held) once()
    })
  }
})
