/**
 * Loaded into a service (`--import`): how much of the processor its thread takes in one go, before it looks for what
 * else has come. Unlike a time, that says the same on a machine that does much besides. On SIGUSR2 what was seen since
 * the last time is written to the file that `BENCH_TURNS` names.
 */
import { renameSync, writeFileSync } from "node:fs"

/** Milliseconds of the processor. */
export interface TurnsSeen {
  readonly median: number
  readonly p99: number
  readonly longest: number
}

const file = process.env.BENCH_TURNS
/** Less is no work. */
const leastMs = 0.1

if (file !== undefined) {
  const used = () => {
    const { system, user } = process.threadCpuUsage()
    return (system + user) / 1_000
  }
  let last = used()
  let seen: Array<number> = []
  setInterval(() => {
    const now = used()
    if (now - last >= leastMs) seen.push(now - last)
    last = now
  }, 1).unref()
  process.on("SIGUSR2", () => {
    const sorted = seen.toSorted((a, b) => a - b)
    seen = []
    const at = (part: number) => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
    writeFileSync(`${file}.new`, JSON.stringify({ median: at(0.5), p99: at(0.99), longest: at(1) } satisfies TurnsSeen))
    renameSync(`${file}.new`, file)
  })
}
