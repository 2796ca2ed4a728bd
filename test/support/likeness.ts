/**
 * Whether the two processes of a model are alike: from a state in which they have changed places and names the same steps
 * lead to the same states, changed in the same way. A walk that takes such states for one (`KnownStates.ts`) stands on it.
 */
import { assert } from "vitest"
import type { Pair } from "./KnownStates.ts"

const sorted = (_: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value
const textOf = (state: unknown): string => JSON.stringify(state, sorted)

const turned = <State extends Pair>(state: State, [one, other]: readonly [string, string]): State => {
  const rename = (_: string, value: unknown) => (value === one ? other : value === other ? one : value)
  const { processes, ...rest } = JSON.parse(JSON.stringify(state), rename) as State
  return { ...rest, processes: [processes[1], processes[0]] } as unknown as State
}

/** Looks at the first `statesMax` states that a walk comes to. */
export const assertAlike = <State extends Pair>(
  initial: State,
  names: readonly [string, string],
  stepsOf: (state: State) => ReadonlyArray<readonly [string, State]>,
  violationOf: (state: State) => string | null,
  statesMax: number
): void => {
  const known = new Set([textOf(initial)])
  const reached = [initial]
  for (const state of reached) {
    const steps = stepsOf(state).map(([, after]) => after)
    const ofTurned = stepsOf(turned(state, names)).map(([, after]) => textOf(after))
    assert.deepStrictEqual(ofTurned.toSorted(), steps.map((after) => textOf(turned(after, names))).toSorted())
    for (const after of steps) {
      const text = textOf(after)
      if (reached.length >= statesMax || known.has(text)) continue
      known.add(text)
      reached.push(after)
      assert.strictEqual(violationOf(turned(after, names)), violationOf(after))
    }
  }
  assert.strictEqual(reached.length, statesMax)
}
