/**
 * What a measure is, and how it is taken.
 *
 * A group has sides: the service, and what it is compared with, each doing one round when it is asked to.
 * All sides of a group take turns, round by round, in an order that turns round too, so that what the
 * machine does besides meets each of them alike. A row of the table is two sides, or one that is held
 * against a fixed bound. A goal may have a limit beside it: the least program that does what any program
 * would have to do, as one more side of its group. What that one does not reach, nothing of ours could.
 */
import { type Ground, startGround } from "./ground.ts"
import { median } from "./report.ts"

/** One round: a rate, a time or a size. */
export type Side = () => Promise<number>

export type Goal = { readonly atLeast: number } | { readonly atMost: number }

export interface Row {
  readonly measure: string
  /** Sides of the group. */
  readonly ours: string
  /** Without one, what is measured is held against the goal as it is. */
  readonly baseline?: string
  readonly unit: string
  /** Of the ratio of the medians, ours to the baseline. */
  readonly goal?: Goal
  /** Sides that are least programs for the same; the best of them is the limit. They do nothing without a goal. */
  readonly limits?: ReadonlyArray<string>
  readonly note?: string
}

export interface Prepared {
  readonly sides: Readonly<Record<string, Side>>
  readonly rows: ReadonlyArray<Row>
  /** A side whose rounds are few, since each takes long. */
  readonly roundsMax?: number
  /** The first round warms up and is not counted; default. */
  readonly warms?: boolean
  /** Looks at the end whether all was as it should be, while everything still runs. */
  readonly check?: () => Promise<void>
}

/** A point of a plot. */
export interface Curve {
  readonly name: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

export interface Plot {
  readonly file: string
  readonly title: string
  readonly xAxis: string
  readonly yAxis: string
  readonly isLogarithmic?: boolean
  readonly curves: ReadonlyArray<Curve>
}

export interface Options {
  readonly rounds: number
  readonly milliseconds: number
  /** A short form: little data and short rounds, to see that everything runs. Its figures say nothing. */
  readonly isQuick: boolean
  readonly plot: (plot: Plot) => void
}

export interface Group {
  readonly id: string
  readonly title: string
  /** On a ground of its own, which ends with the group, whatever happens. */
  readonly prepare: (options: Options, ground: Ground) => Promise<Prepared>
}

export interface Figure {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: number
}

/** A least program, as it was measured. */
export interface Limit extends Figure {
  readonly name: string
  /** To the baseline of the row, as ours is; without one, the median. */
  readonly ratio: number
}

export interface Measured {
  readonly group: string
  readonly measure: string
  readonly unit: string
  readonly ours: Figure
  readonly baseline?: { readonly name: string } & Figure
  readonly ratio?: number
  readonly goal?: Goal
  /** `null` where there is no goal. */
  readonly isHeld: boolean | null
  /** The best first. */
  readonly limits?: ReadonlyArray<Limit>
  readonly note?: string
}

export const figure = (values: ReadonlyArray<number>): Figure => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
  rounds: values.length
})

export const holds = (value: number, goal: Goal | undefined): boolean | null =>
  goal === undefined ? null : "atLeast" in goal ? value >= goal.atLeast : value <= goal.atMost

/** All rounds of all sides, in turns. */
const takeTurns = async (prepared: Prepared, rounds: number): Promise<Map<string, Array<number>>> => {
  const names = Object.keys(prepared.sides)
  const taken = new Map(names.map((name) => [name, [] as Array<number>]))
  const count = Math.min(rounds, prepared.roundsMax ?? rounds)
  for (let round = prepared.warms === false ? 0 : -1; round < count; round++) {
    const order = round % 2 === 0 ? names : names.toReversed()
    for (const name of order) {
      const value = await prepared.sides[name]!()
      if (round >= 0) taken.get(name)!.push(value)
    }
  }
  return taken
}

/** The best first. */
const limitsOf = (limits: ReadonlyArray<Limit>, goal: Goal): ReadonlyArray<Limit> =>
  limits.toSorted((a, b) => ("atLeast" in goal ? b.ratio - a.ratio : a.ratio - b.ratio))

/** Not even the best round of a least program reached it. */
export const isOutOfReach = ({ goal, limits = [] }: Measured): boolean =>
  goal !== undefined &&
  limits.length > 0 &&
  limits.every(({ max, median, min, ratio }) => {
    const best = ("atLeast" in goal ? max : min) / median
    return holds(ratio * best, goal) === false
  })

/** A row of the table, of all rounds of all sides. */
export const rowOf = (
  group: Pick<Group, "id">,
  taken: ReadonlyMap<string, ReadonlyArray<number>>,
  row: Row
): Measured => {
  const ours = figure(taken.get(row.ours)!)
  const values = row.baseline === undefined ? undefined : taken.get(row.baseline)!
  const ratio = values === undefined ? undefined : ours.median / median(values)
  const limits = (row.limits ?? []).map((name): Limit => {
    const least = figure(taken.get(name)!)
    return { name, ratio: values === undefined ? least.median : least.median / median(values), ...least }
  })
  return {
    group: group.id,
    measure: row.measure,
    unit: row.unit,
    ours,
    ...(values === undefined ? {} : { baseline: { name: row.baseline!, ...figure(values) } }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(row.goal === undefined ? {} : { goal: row.goal }),
    isHeld: holds(ratio ?? ours.median, row.goal),
    ...(limits.length === 0 || row.goal === undefined ? {} : { limits: limitsOf(limits, row.goal) }),
    ...(row.note === undefined ? {} : { note: row.note })
  }
}

export const measureGroup = async (group: Group, options: Options): Promise<ReadonlyArray<Measured>> => {
  const ground = await startGround()
  try {
    const prepared = await group.prepare(options, ground)
    const taken = await takeTurns(prepared, options.rounds)
    await prepared.check?.()
    return prepared.rows.map((row) => rowOf(group, taken, row))
  } finally {
    await ground.stop()
  }
}
