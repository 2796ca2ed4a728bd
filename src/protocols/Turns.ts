/**
 * Requests begin in turns, one of each line and a little at a time, so that however many of one tenant arrive
 * at once, another's begins after a few of them.
 *
 * - A turn of the event loop begins requests for `sliceMs` at most, but always one; what is left waits for the
 *   next, behind whatever else the loop has to do. While nothing waits, a request begins as it arrives.
 * - A line that was just refused more (`press`) has at most `pressedMax` requests begun and not ended: its groups,
 *   and what is done for them in one go, stay small. Whatever has waited for its deadline begins in spite of that.
 * - Everything that was taken begins once, in the order of its line.
 *
 * How many may wait is not decided here: whoever waits has a place (`Shares`).
 */

export const sliceMs = 0.5
export const pressedMax = 16
export const pressedMs = 1_000

export interface TurnsOptions {
  readonly nowMs: () => number
  /** Calls it in a later turn of the event loop. */
  readonly later: (run: () => void) => void
  /** Calls `overdue` once a request has waited long, the first one first, unless what it gives back was called before. */
  readonly deadline: (overdue: () => void) => () => void
}

interface Waiting {
  readonly begin: () => void
  readonly end: () => void
  isOverdue: boolean
}

interface Line {
  readonly name: string
  waiting: Array<Waiting>
  begun: number
  pressedUntilMs: number
}

export interface Turns {
  /** `begin` is called once, now or later; when what it began has ended, `ended` is to be called. */
  readonly take: (line: string, begin: () => void) => void
  readonly ended: (line: string) => void
  /** The line has more than it may have. */
  readonly press: (line: string) => void
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
    const line = { name, waiting: [], begun: 0, pressedUntilMs: 0 }
    lines.set(name, line)
    return line
  }

  const isFree = ({ begun, pressedUntilMs, waiting: [first] }: Line): boolean =>
    begun < pressedMax || first?.isOverdue === true || pressedUntilMs <= nowMs()

  const look = (line: Line): void => {
    if (line.waiting.length === 0) {
      if (line.begun === 0) lines.delete(line.name)
    } else if (isFree(line)) {
      ready.add(line)
      schedule()
    }
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
    take: (name, work) => {
      const line = lineOf(name)
      if (ready.size === 0 && line.waiting.length === 0 && spentMs < sliceMs && isFree(line)) {
        schedule()
        return begin(line, work)
      }
      const end = deadline(() => {
        one.isOverdue = true
        look(line)
      })
      const one: Waiting = { begin: work, end, isOverdue: false }
      line.waiting.push(one)
      waitingCount++
      look(line)
    },
    ended: (name) => {
      const line = lines.get(name)
      if (line === undefined) return
      line.begun--
      look(line)
    },
    press: (name) => {
      const line = lines.get(name)
      if (line !== undefined) line.pressedUntilMs = nowMs() + pressedMs
    },
    waiting: () => waitingCount
  }
}
