/** Walks every state that a scenario can reach. */
import { type Walked, walkStates } from "../../../support/walkStates.ts"
import { initial, names, type Protocol, type Scenario, stepsOf, violationOf } from "./model.ts"

export interface Exploration extends Walked {
  /** States with a refresh that was handed out; a walk without any proves nothing. */
  readonly refreshedStates: number
  /** States after a loss that no one could prevent. */
  readonly excusedStates: number
}

export const explore = (scenario: Scenario, protocol: Protocol, statesMax: number): Exploration => {
  let refreshedStates = 0
  let excusedStates = 0
  const walked = walkStates({
    first: initial(scenario),
    names,
    stepsOf: (state) => stepsOf(scenario, protocol, state),
    violationOf: (state) => violationOf(scenario, state),
    reached: ({ excuse, refreshed }) => {
      if (refreshed > 0) refreshedStates++
      if (excuse) excusedStates++
      // Behind an excuse there is nothing left to protect.
      return !excuse
    },
    statesMax
  })
  return { ...walked, refreshedStates, excusedStates }
}
