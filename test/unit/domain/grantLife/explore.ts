/** Walks every state that a scenario can reach, breadth first: the first violation found is a shortest one. */
import { KnownStates, type Parts } from "../../../support/KnownStates.ts"
import { initial, names, type Protocol, type Scenario, type State, stepsOf, violationOf } from "./model.ts"

export interface Exploration {
  readonly states: number
  /** States with a refresh that was handed out; a walk without any proves nothing. */
  readonly refreshedStates: number
  /** States after a loss that no one could prevent. */
  readonly excusedStates: number
  readonly cut: boolean
  readonly violation: ReadonlyArray<string> | null
}

export const explore = (scenario: Scenario, protocol: Protocol, statesMax: number): Exploration => {
  const first = initial(scenario)
  const known = new KnownStates(first, names)
  const parents = [-1]
  const labels = [""]
  const traceOf = (index: number, last: string): ReadonlyArray<string> => {
    const trace = [last]
    for (let at = index; at > 0; at = parents[at]!) trace.unshift(labels[at]!)
    return trace
  }
  let frontier: ReadonlyArray<readonly [number, State, Parts]> = [[0, first, known.add(first)!]]
  let refreshedStates = 0
  let excusedStates = 0
  while (frontier.length > 0) {
    const next: Array<readonly [number, State, Parts]> = []
    for (const [index, state, ofState] of frontier) {
      for (const [label, after] of stepsOf(scenario, protocol, state)) {
        const parts = known.add(after, [state, ofState])
        if (parts === null) continue
        const id = parents.push(index) - 1
        labels.push(label)
        if (after.refreshed > 0) refreshedStates++
        if (after.excuse) excusedStates++
        const wrong = violationOf(scenario, after)
        const found = { states: known.size, refreshedStates, excusedStates }
        if (wrong !== null) return { ...found, cut: false, violation: traceOf(id, wrong) }
        if (known.size >= statesMax) return { ...found, cut: true, violation: null }
        // Behind an excuse there is nothing left to protect.
        if (!after.excuse) next.push([id, after, parts])
      }
    }
    frontier = next
  }
  return { states: known.size, refreshedStates, excusedStates, cut: false, violation: null }
}
