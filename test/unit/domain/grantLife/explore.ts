/** Walks every state that a scenario can reach, breadth first: the first violation found is a shortest one. */
import { stateHash } from "../../../support/stateHash.ts"
import { initial, type Protocol, type Scenario, type State, stepsOf, violationOf } from "./model.ts"

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
  const seen = new Set([stateHash(first)])
  const parents = [-1]
  const labels = [""]
  const traceOf = (index: number, last: string): ReadonlyArray<string> => {
    const trace = [last]
    for (let at = index; at > 0; at = parents[at]!) trace.unshift(labels[at]!)
    return trace
  }
  let frontier: ReadonlyArray<readonly [number, State]> = [[0, first]]
  let refreshedStates = 0
  let excusedStates = 0
  while (frontier.length > 0) {
    const next: Array<readonly [number, State]> = []
    for (const [index, state] of frontier) {
      for (const [label, after] of stepsOf(scenario, protocol, state)) {
        const code = stateHash(after)
        if (seen.has(code)) continue
        seen.add(code)
        const id = parents.push(index) - 1
        labels.push(label)
        if (after.refreshed > 0) refreshedStates++
        if (after.excuse) excusedStates++
        const wrong = violationOf(scenario, after)
        const found = { states: seen.size, refreshedStates, excusedStates }
        if (wrong !== null) return { ...found, cut: false, violation: traceOf(id, wrong) }
        if (seen.size >= statesMax) return { ...found, cut: true, violation: null }
        // Behind an excuse there is nothing left to protect.
        if (!after.excuse) next.push([id, after])
      }
    }
    frontier = next
  }
  return { states: seen.size, refreshedStates, excusedStates, cut: false, violation: null }
}
