/** What every benchmark prints: the machine, its load, and medians with their spread. */
import { readFileSync } from "node:fs"
import { cpus, loadavg, totalmem } from "node:os"

export const printMachine = (): void => {
  const [first] = cpus()
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  console.log(`machine: ${cpus().length} x ${first?.model.trim()}, ${gigabytes} GiB, Node ${process.version}`)
  console.log(
    `load before: ${loadavg()
      .map((load) => load.toFixed(2))
      .join(" ")} (1, 5, 15 minutes)`
  )
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** `123,456 (120,000 to 130,000)`. */
export const spread = (values: ReadonlyArray<number>): string => {
  const shown = (value: number) => Math.round(value).toLocaleString("en")
  return `${shown(median(values))} (${shown(Math.min(...values))} to ${shown(Math.max(...values))})`
}

const ticksPerSecond = 100

/** Processor time of a process so far, in seconds; NaN where the system does not tell. */
export const processorSeconds = (pid: number): number => {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /su, "")
      .split(" ")
    return (Number(afterName[11]) + Number(afterName[12])) / ticksPerSecond
  } catch {
    return Number.NaN
  }
}
