/**
 * Walks every state that a scenario can reach, breadth first, so that the first violation found is a
 * shortest one. States are remembered by a hash of their encoding.
 */
import { HashSet } from "../../support/HashSet.ts"
import { encode, initial, type Protocol, type Scenario, type State, stepsOf, violationOf } from "./model.ts"

export interface Exploration {
  readonly states: number
  readonly transitions: number
  /** States in which some revocation was answered: a walk without any proves nothing. */
  readonly answeredStates: number
  /** The walk was stopped by `statesMax`. */
  readonly cut: boolean
  /** The steps of a shortest violation, its outcome last, or null. */
  readonly violation: ReadonlyArray<string> | null
}

export const explore = (scenario: Scenario, protocol: Protocol, statesMax: number): Exploration => {
  const first = initial(scenario)
  const startMs = first.nowMs
  const seen = new HashSet()
  seen.add(encode(first, startMs, scenario))
  const parents: Array<number> = [-1]
  const labels: Array<string> = [""]
  let frontier: Array<readonly [number, State]> = [[0, first]]
  let transitions = 0
  let answeredStates = 0
  const traceOf = (index: number, last: string): ReadonlyArray<string> => {
    const trace = [last]
    for (let at = index; at > 0; at = parents[at]!) trace.unshift(labels[at]!)
    return trace
  }
  while (frontier.length > 0) {
    const next: Array<readonly [number, State]> = []
    for (const [index, state] of frontier) {
      for (const [label, after] of stepsOf(scenario, protocol, state, startMs)) {
        transitions++
        if (!seen.add(encode(after, startMs, scenario))) continue
        const id = parents.length
        parents.push(index)
        labels.push(label)
        if (after.answered !== 0) answeredStates++
        const wrong = violationOf(scenario, protocol, after)
        if (wrong !== null) {
          return { states: seen.size, transitions, answeredStates, cut: false, violation: traceOf(id, wrong) }
        }
        if (seen.size >= statesMax) {
          return { states: seen.size, transitions, answeredStates, cut: true, violation: null }
        }
        next.push([id, after])
      }
    }
    frontier = next
  }
  return { states: seen.size, transitions, answeredStates, cut: false, violation: null }
}

/** A small generator of numbers in [0, 1) from a seed. */
const chance = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Takes random ways of at most `stepsMax` steps through a world too large to be walked completely. */
export const wander = (
  scenario: Scenario,
  protocol: Protocol,
  seed: number,
  ways: number,
  stepsMax: number
): { readonly answeredWays: number; readonly violation: ReadonlyArray<string> | null } => {
  const random = chance(seed)
  let answeredWays = 0
  for (let way = 0; way < ways; way++) {
    let state = initial(scenario)
    const startMs = state.nowMs
    const trace: Array<string> = []
    while (trace.length < stepsMax) {
      const steps = stepsOf(scenario, protocol, state, startMs)
      if (steps.length === 0) break
      const [label, after] = steps[Math.floor(random() * steps.length)]!
      trace.push(label)
      state = after
      const wrong = violationOf(scenario, protocol, state)
      if (wrong !== null) return { answeredWays, violation: [...trace, wrong] }
    }
    if (state.answered !== 0) answeredWays++
  }
  return { answeredWays, violation: null }
}
