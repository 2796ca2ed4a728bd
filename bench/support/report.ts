/** What every benchmark prints: the machine, its load, and medians with their spread. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { cpus, loadavg, totalmem } from "node:os"
import { findMariadb, findNatsServer } from "../../scripts/stack.mjs"

export interface Machine {
  readonly processors: number
  readonly model: string
  readonly gigabytes: number
  readonly versions: Readonly<Record<string, string>>
  /** Of one, five and fifteen minutes, before the run. */
  readonly load: ReadonlyArray<number>
}

const versionOf = (program: string): string => {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" })
  return status === 0 ? (/\d+\.\d+\.\d+/u.exec(stdout)?.[0] ?? "unknown") : "not found"
}

export const machine = (): Machine => ({
  processors: cpus().length,
  model: cpus()[0]?.model.trim() ?? "unknown",
  gigabytes: Math.round(totalmem() / 2 ** 30),
  versions: {
    Node: process.versions.node,
    MariaDB: versionOf(findMariadb()?.server ?? "mariadbd"),
    "nats-server": versionOf(findNatsServer() ?? "nats-server"),
    Redis: versionOf("redis-server")
  },
  load: loadavg()
})

export const machineShown = ({ gigabytes, load, model, processors, versions }: Machine): string =>
  [
    `machine: ${processors} x ${model}, ${gigabytes} GiB`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
    `load before: ${load.map((one) => one.toFixed(2)).join(" ")} (1, 5, 15 minutes)`
  ].join("\n")

export const printMachine = (): void => console.log(machineShown(machine()))

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** What 99 of 100 do not exceed, by the nearest rank. */
export const p99 = (times: ReadonlyArray<number>): number =>
  times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(times.length * 0.99) - 1)]!

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

/**
 * The same of the threads that a process has now, by nanoseconds and not by ticks of ten milliseconds, of which a short round
 * may have none: for a process that ends no threads meanwhile.
 */
export const threadSeconds = (pid: number): number => {
  try {
    const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0])
    )
    return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e9
  } catch {
    return Number.NaN
  }
}
