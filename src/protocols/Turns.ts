/**
 * Requests begin in turns, one of each line and a little at a time, so that however many of one tenant arrive
 * at once, another's begins after a few of them.
 *
 * - A turn of the event loop begins requests for `sliceMs` at most, but always one; what is left waits for the
 *   next, behind whatever else the loop has to do. While nothing waits, a request begins as it arrives.
 * - A line that is refused more (`press`) has, for a moment, as many requests fewer begun and not ended than it has
 *   places as were refused and not told of it yet (`told`), but `pressedMax`: one that is a little over its share has
 *   nearly all of it, one that asks for twice as much is done in small groups. Where nothing of it has ended for
 *   `stuckMs`, whatever has waited for its deadline begins in spite of that.
 * - Everything that was taken begins once, in the order of its line, or is refused once: what has waited for
 *   `waitsMax` deadlines, ten seconds, is asked by nobody any more, or by somebody who would rather know.
 *
 * How many may wait is not decided here: whoever waits has a place (`Shares`).
 */
import { Clock, type Duration, Effect, type Scope } from "effect"
import * as Deadlines from "../observability/Deadlines.ts"
import type { Place } from "./Places.ts"

export const sliceMs = 0.5
export const pressedMax = 8
export const pressedMs = 1_000
/** A line of which nothing ends for so long stands still, and is not slow because of what it asks. */
export const stuckMs = 1_000
const turnTimeout: Duration.Input = "1 second"
/** Deadlines after which whoever still waits is refused. */
export const waitsMax = 10

export interface TurnsOptions {
  readonly nowMs: () => number
  /** Calls it in a later turn of the event loop. */
  readonly later: (run: () => void) => void
  /** Calls `overdue` when a request has waited long, the first one first, unless what it gives back was called before. */
  readonly deadline: (overdue: () => void) => () => void
}

interface Waiting {
  readonly begin: () => void
  end: () => void
  /** Deadlines that are over. */
  overdue: number
}

interface Line {
  readonly name: string
  waiting: Array<Waiting>
  begun: number
  endedAtMs: number
  /** Refused, and not told yet. */
  refused: number
  pressedUntilMs: number
  /** While it is pressed: may be begun and not ended. */
  most: number
}

export interface Turns {
  /**
   * `begin` is called once, now or later; when what it began has ended, `ended` is to be called. Or `refuse` is, later,
   * and nothing more: it has waited too long.
   */
  readonly take: (line: string, begin: () => void, refuse: () => void) => void
  readonly ended: (line: string) => void
  /** The line has all that it may have, and one more of it is refused. When that is told, `told` is to be called. */
  readonly press: (line: string) => void
  readonly told: (line: string) => void
  /** Taken and not begun. */
  readonly waiting: () => number
}

export const make = ({ deadline, later, nowMs }: TurnsOptions): Turns => {
  const lines = new Map<string, Line>()
  /** Lines that may begin one; the next one first. */
  const ready = new Set<Line>()
  let waitingCount = 0
  let spentMs = 0
  let isScheduled = false

  const lineOf = (name: string): Line => {
    const known = lines.get(name)
    if (known !== undefined) return known
    const line = {
      name,
      waiting: [],
      begun: 0,
      endedAtMs: Number.NEGATIVE_INFINITY,
      refused: 0,
      pressedUntilMs: 0,
      most: 0
    }
    lines.set(name, line)
    return line
  }

  const isFree = ({ begun, endedAtMs, most, pressedUntilMs, waiting: [first] }: Line): boolean =>
    begun < pressedMax ||
    begun < most ||
    pressedUntilMs <= nowMs() ||
    (first !== undefined && first.overdue > 0 && nowMs() - endedAtMs >= stuckMs)

  const look = (line: Line): void => {
    if (line.waiting.length === 0) {
      if (line.begun === 0 && line.refused === 0) lines.delete(line.name)
    } else if (isFree(line)) {
      ready.add(line)
      schedule()
    }
  }

  /** It is to begin in a moment. */
  const isNext = (line: Line, one: Waiting): boolean => line.waiting[0] === one && ready.has(line)

  const leave = (line: Line, one: Waiting): void => {
    line.waiting = line.waiting.filter((other) => other !== one)
    waitingCount--
    look(line)
  }

  const begin = (line: Line, work: () => void): void => {
    const since = nowMs()
    line.begun++
    try {
      work()
    } finally {
      spentMs += nowMs() - since
    }
  }

  const pump = (): void => {
    isScheduled = false
    spentMs = 0
    try {
      for (const line of ready) {
        // One that is ready still goes to the end, where this walk finds it again.
        ready.delete(line)
        // It may have been pressed since.
        const next = isFree(line) ? line.waiting.shift() : undefined
        if (next === undefined) continue
        waitingCount--
        next.end()
        try {
          begin(line, next.begin)
        } finally {
          look(line)
        }
        if (spentMs >= sliceMs) break
      }
    } finally {
      if (ready.size > 0 || spentMs > 0) schedule()
    }
  }

  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    later(pump)
  }

  return {
    take: (name, work, refuse) => {
      const line = lineOf(name)
      if (ready.size === 0 && line.waiting.length === 0 && spentMs < sliceMs && isFree(line)) {
        schedule()
        return begin(line, work)
      }
      const one: Waiting = { begin: work, end: () => {}, overdue: 0 }
      const wait = () => {
        one.end = deadline(() => {
          one.overdue++
          look(line)
          if (one.overdue < waitsMax || isNext(line, one)) return wait()
          leave(line, one)
          refuse()
        })
      }
      wait()
      line.waiting.push(one)
      waitingCount++
      look(line)
    },
    ended: (name) => {
      const line = lines.get(name)
      if (line === undefined) return
      line.begun--
      line.endedAtMs = nowMs()
      look(line)
    },
    press: (name) => {
      const line = lineOf(name)
      const most = line.begun + line.waiting.length - ++line.refused
      line.most = line.pressedUntilMs > nowMs() ? Math.min(line.most, most) : most
      line.pressedUntilMs = nowMs() + pressedMs
    },
    told: (name) => {
      const line = lines.get(name)
      if (line === undefined) return
      line.refused--
      look(line)
    },
    waiting: () => waitingCount
  }
}

/** Says that a refusal of the line was told. Made here, it keeps nothing of what surrounds who asks, as the message is. */
export const telling =
  ({ told }: Turns, line: string) =>
  (): void =>
    told(line)

/** The place, and with it the turn, of one that was begun: who gives its place back to wait has ended for its line. */
export const withinTurn = ({ ended }: Turns, line: string, place: Place): Place => {
  let isInTurn = true
  const end = () => {
    if (isInTurn) ended(line)
    isInTurn = false
  }
  return {
    leave: () => {
      end()
      place.leave()
    },
    aside: () => {
      const isAside = place.aside()
      if (isAside) end()
      return isAside
    }
  }
}

/** By the clock and the loop of the process. `name`: of whose requests. */
export const live = Effect.fnUntraced(function* (
  name: string
): Generator<Effect.Effect<unknown, never, Scope.Scope>, Turns, never> {
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(yield* Effect.context<never>())
  return make({
    nowMs: () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6,
    later: (next) => void run(Effect.andThen(Effect.yieldNow, Effect.sync(next))),
    deadline: (yield* Deadlines.make(`turns of ${name}`, turnTimeout)).begin
  })
})
