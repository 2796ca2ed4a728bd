/**
 * Refusals of what is over a limit, told a little later.
 *
 * Whoever is refused is asked to come again in a second. One that comes again at once would be refused as fast
 * as it can ask, and take the processor with it; so it learns of its refusal after `holdMs`, a few in each turn of
 * the event loop: told all at once, those of one burst would be asked again as one. No more than `heldMax` wait so;
 * one more is told at once. What is held keeps of its request what its answer needs, and that is nothing large.
 */
import { Effect, type Scope } from "effect"
import * as Deadlines from "../../observability/Deadlines.ts"

export const holdMs = 100
export const heldMax = 1_024
/** Told in one turn of the loop. */
export const toldAtOnce = 16
/** Kept of one until then. */
export const heldBytesMax = 4_096

export interface HeldRefusals {
  /** `tell` is called once, now or later; it keeps so many bytes of the request. */
  readonly hold: (bytes: number, tell: () => void) => void
  /** Tells all that are held, and from now on at once. */
  readonly end: Effect.Effect<void>
}

export const make = Effect.gen(function* (): Generator<
  Effect.Effect<unknown, never, Scope.Scope>,
  HeldRefusals,
  never
> {
  const deadlines = yield* Deadlines.make("refusals", holdMs)
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const held = new Set<() => void>()
  const due: Array<() => void> = []
  let isOpen = true
  /** One that meets a bug holds up no other. */
  const tellEach = (all: ReadonlyArray<() => void>) =>
    Effect.forEach(
      all,
      (once) => Effect.catchDefect(Effect.sync(once), (defect) => Effect.logError("a refusal met a bug", defect)),
      { discard: true }
    )
  const tellSome = Effect.suspend(() => tellEach(due.splice(0, toldAtOnce)))
  const tellDue = Effect.repeat(Effect.andThen(Effect.yieldNow, tellSome), { while: () => due.length > 0 })
  return {
    hold: (bytes, tell) => {
      if (!isOpen || held.size >= heldMax || bytes > heldBytesMax) return tell()
      const end = deadlines.begin(() => {
        if (due.push(once) === 1) run(tellDue)
      })
      const once = () => {
        end()
        if (held.delete(once)) tell()
      }
      held.add(once)
    },
    end: Effect.suspend(() => {
      isOpen = false
      return tellEach(Array.from(held))
    })
  }
})
