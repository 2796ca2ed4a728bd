/**
 * A few things at work at a time, the others in a line, first come, first served.
 *
 * Unlike a semaphore it can let one through that somebody has begun to wait for: where it stands in the line, and
 * each time it comes back.
 */
import { Effect } from "effect"

/** Of one thing that is to be done. */
export interface Place {
  /** Whether it has one of the few. */
  holds: boolean
  /** It has no need of one any more. */
  hurried: boolean
  /** While it stands in the line. */
  begin: (() => void) | null
}

export class AtWork {
  private free: number
  private readonly line = new Set<Place>()

  constructor(max: number) {
    this.free = max
  }

  place(hurried: boolean): Place {
    return { holds: false, hurried, begin: null }
  }

  /** Waits until there is room, unless it is hurried. */
  enter(place: Place): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (place.hurried || place.holds) return resume(Effect.void)
      if (this.free > 0) {
        this.free--
        place.holds = true
        return resume(Effect.void)
      }
      place.begin = () => resume(Effect.void)
      this.line.add(place)
      // Who goes away may have been let in meanwhile.
      return Effect.sync(() => {
        if (!this.line.delete(place)) this.leave(place)
      })
    })
  }

  /** Whoever waits longest is next. Of one that holds none it is nothing. */
  leave(place: Place): void {
    if (!place.holds) return
    place.holds = false
    const [next] = this.line
    if (next === undefined) {
      this.free++
      return
    }
    next.holds = true
    this.letIn(next)
  }

  hurry(place: Place): void {
    place.hurried = true
    if (this.line.has(place)) this.letIn(place)
  }

  private letIn(place: Place): void {
    this.line.delete(place)
    const { begin } = place
    place.begin = null
    begin?.()
  }
}
