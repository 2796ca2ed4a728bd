/**
 * Walks every state that a model of two alike processes can reach, breadth first: the first violation found is a shortest one.
 */
import { KnownStates, type Pair, type Parts } from "./KnownStates.ts"

export interface Walk<State extends Pair> {
  readonly first: State
  /** What the two processes are called. */
  readonly names: readonly [string, string]
  readonly stepsOf: (state: State) => Iterable<readonly [label: string, after: State]>
  readonly violationOf: (state: State) => string | null
  /** Called once for each state that is new. False: nothing behind it is walked. */
  readonly reached: (state: State) => boolean
  readonly statesMax: number
}

export interface Walked {
  readonly states: number
  /** Stopped by `statesMax`. */
  readonly cut: boolean
  /** The steps of a shortest violation, its outcome last, or null. */
  readonly violation: ReadonlyArray<string> | null
}

export const walkStates = <State extends Pair>(walk: Walk<State>): Walked => {
  const { first, names, reached, statesMax, stepsOf, violationOf } = walk
  const known = new KnownStates(first, names)
  const parents = [-1]
  const labels = [""]
  const traceOf = (index: number, last: string): ReadonlyArray<string> => {
    const trace = [last]
    for (let at = index; at > 0; at = parents[at]!) trace.unshift(labels[at]!)
    return trace
  }
  let frontier: ReadonlyArray<readonly [number, State, Parts]> = [[0, first, known.add(first)!]]
  while (frontier.length > 0) {
    const next: Array<readonly [number, State, Parts]> = []
    for (const [index, state, ofState] of frontier) {
      for (const [label, after] of stepsOf(state)) {
        const parts = known.add(after, [state, ofState])
        if (parts === null) continue
        const id = parents.push(index) - 1
        labels.push(label)
        const goesOn = reached(after)
        const wrong = violationOf(after)
        if (wrong !== null) return { states: known.size, cut: false, violation: traceOf(id, wrong) }
        if (known.size >= statesMax) return { states: known.size, cut: true, violation: null }
        if (goesOn) next.push([id, after, parts])
      }
    }
    frontier = next
  }
  return { states: known.size, cut: false, violation: null }
}
