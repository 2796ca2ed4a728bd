/** Walks every state that a scenario can reach. */
import { type Walked, walkStates } from "../../../support/walkStates.ts"
import { initial, names, type Protocol, type Scenario, stepsOf, violationOf } from "./model.ts"

export interface Exploration extends Walked {
  /** States after a switch; a walk without any proves nothing. */
  readonly switchedStates: number
  /** States in which an old secret was seen to be dead and nothing is left to do. */
  readonly cleanStates: number
}

export const explore = (scenario: Scenario, protocol: Protocol, statesMax: number): Exploration => {
  let switchedStates = 0
  let cleanStates = 0
  const walked = walkStates({
    first: initial(scenario),
    names,
    stepsOf: (state) => stepsOf(protocol, state),
    violationOf: (state) => violationOf(scenario, state),
    reached: ({ rotating, switched }) => {
      if (switched > 0) switchedStates++
      if (switched > 0 && rotating.cleanups.length === 0 && rotating.underWay === null) cleanStates++
      return true
    },
    statesMax
  })
  return { ...walked, switchedStates, cleanStates }
}
