/** Limits of goals: the best of several programs counts, and no goal is out of reach that one round of one came to. */
import { describe, expect, it } from "vitest"
import { type Goal, isOutOfReach, rowOf } from "../../../bench/support/measure.ts"
import { markdownTable } from "../../../bench/support/table.ts"

const rowWith = (goal: Goal, sides: Readonly<Record<string, ReadonlyArray<number>>>) =>
  rowOf({ id: "changes" }, new Map(Object.entries(sides)), {
    measure: "changes",
    ours: "ours",
    baseline: "loop",
    unit: "/s",
    goal,
    limits: Object.keys(sides).filter((name) => name.startsWith("least"))
  })

const heldShown = (row: ReturnType<typeof rowWith>) => markdownTable([row]).split(" | ").at(-1)

describe("limits of goals", () => {
  it("are the best of the least programs, to the same baseline, whichever way the goal points", () => {
    const sides = { ours: [50], loop: [100], "least a": [150, 140, 160], "least b": [200, 190, 210] }
    const names = (goal: Goal) => rowWith(goal, sides).limits?.map(({ name, ratio }) => [name, ratio])
    expect(names({ atLeast: 3 })).toEqual([
      ["least b", 2],
      ["least a", 1.5]
    ])
    expect(names({ atMost: 1 })?.[0]).toEqual(["least a", 1.5])
    expect(markdownTable([rowWith({ atLeast: 3 }, sides)])).toContain("| 2.00: 200 (190 to 210) /s |")
  })
  it("are out of reach where not even the best round of any program came to the goal", () => {
    const sides = { ours: [50], loop: [100], "least a": [150, 140, 160], "least b": [200, 110, 210] }
    expect(heldShown(rowWith({ atLeast: 3 }, sides))).toBe("NOT held, out of reach |")
    expect(isOutOfReach(rowWith({ atLeast: 2.1 }, sides))).toBe(false)
    expect(heldShown(rowWith({ atLeast: 2.1 }, sides))).toBe("NOT held |")
    expect(isOutOfReach(rowWith({ atMost: 1.1 }, sides))).toBe(false)
    expect(isOutOfReach(rowWith({ atMost: 1 }, sides))).toBe(true)
    expect(heldShown(rowWith({ atLeast: 0.5 }, sides))).toBe("held |")
  })
  it("say nothing where there is none", () => {
    expect(isOutOfReach(rowWith({ atLeast: 3 }, { ours: [50], loop: [100] }))).toBe(false)
  })
})
