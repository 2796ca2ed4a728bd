/** The one table, for a screen and for Markdown. */
import type { Goal, Measured } from "./measure.ts"

const digits = (value: number): string => {
  if (!Number.isFinite(value)) return "-"
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en")
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

const goalShown = (goal: Goal | undefined): string =>
  goal === undefined ? "-" : "atLeast" in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`

const heldShown = (isHeld: boolean | null): string => (isHeld === null ? "-" : isHeld ? "held" : "NOT held")

const titles = ["measure", "ours", "baseline", "ratio", "goal", "held or not"] as const

const cells = (one: Measured): ReadonlyArray<string> => {
  const { baseline, measure, note, ours, ratio, unit } = one
  const figure = ({ max, median, min }: Measured["ours"]) => `${digits(median)} (${digits(min)} to ${digits(max)})`
  return [
    note === undefined ? measure : `${measure}; ${note}`,
    `${figure(ours)} ${unit}`,
    baseline === undefined ? "-" : `${baseline.name}: ${figure(baseline)}`,
    ratio === undefined ? "-" : ratio.toFixed(2),
    goalShown(one.goal),
    heldShown(one.isHeld)
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
