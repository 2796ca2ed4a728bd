/** The one table, for a screen and for Markdown. */
import { type Figure, type Goal, isOutOfReach, type Measured } from "./measure.ts"

const digits = (value: number): string => {
  if (!Number.isFinite(value)) return "-"
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en")
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

const goalShown = (goal: Goal | undefined): string =>
  goal === undefined ? "-" : "atLeast" in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`

const figureShown = ({ max, median, min }: Figure, unit: string): string =>
  `${digits(median)} (${digits(min)} to ${digits(max)})${unit === "" ? "" : ` ${unit}`}`

const heldShown = (one: Measured): string => {
  if (one.isHeld === null) return "-"
  return one.isHeld ? "held" : isOutOfReach(one) ? "NOT held, out of reach" : "NOT held"
}

const limitShown = ({ limits: [least] = [], unit }: Measured): string =>
  least === undefined ? "-" : `${least.ratio.toFixed(2)}: ${figureShown(least, unit)}`

/** `least program` is the limit of the machine: the ratio that it reaches, and its figure. */
const titles = ["measure", "ours", "baseline", "ratio", "goal", "least program", "held or not"] as const

const cells = (one: Measured): ReadonlyArray<string> => {
  const { baseline, measure, note, ours, ratio, unit } = one
  return [
    note === undefined ? measure : `${measure}; ${note}`,
    figureShown(ours, unit),
    baseline === undefined ? "-" : `${baseline.name}: ${figureShown(baseline, "")}`,
    ratio === undefined ? "-" : ratio.toFixed(2),
    goalShown(one.goal),
    limitShown(one),
    heldShown(one)
  ]
}

export const textTable = (measured: ReadonlyArray<Measured>): string => {
  const rows = [titles, ...measured.map(cells)]
  const widths = titles.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

export const markdownTable = (measured: ReadonlyArray<Measured>): string =>
  [titles, titles.map(() => "---"), ...measured.map(cells)].map((row) => `| ${row.join(" | ")} |`).join("\n")
