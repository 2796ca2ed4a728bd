/** What happens when: a heap of moments, and a clock that jumps from one to the next. */

export interface Events {
  readonly now: () => number
  readonly at: (moment: number, run: () => void) => void
  readonly after: (delay: number, run: () => void) => void
  /** Runs everything up to a moment. */
  readonly runUntil: (moment: number) => void
}

interface Event {
  readonly moment: number
  readonly order: number
  readonly run: () => void
}

const isBefore = (a: Event, b: Event): boolean => a.moment < b.moment || (a.moment === b.moment && a.order < b.order)

export const makeEvents = (): Events => {
  const heap: Array<Event> = []
  let clock = 0
  let order = 0
  const push = (event: Event): void => {
    let at = heap.push(event) - 1
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(event, heap[parent]!); parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }
  const pop = (): Event => {
    const [first] = heap
    const last = heap.pop()!
    if (heap.length === 0) return first!
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first!
  }
  const at = (moment: number, run: () => void) => push({ moment: Math.max(moment, clock), order: order++, run })
  return {
    now: () => clock,
    at,
    after: (delay, run) => at(clock + delay, run),
    runUntil: (moment) => {
      while (heap.length > 0 && heap[0]!.moment <= moment) {
        const event = pop()
        clock = event.moment
        event.run()
      }
      clock = moment
    }
  }
}
