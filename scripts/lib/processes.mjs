/**
 * What the operating system knows of a process: whether it lives, and since when.
 *
 * A pid alone names a process badly, because pids are used again. A pid with its start time (clock
 * ticks since boot, from /proc) names one process for as long as the machine is up. Where there is
 * no /proc the start time is empty and the pid alone has to do.
 */
import { readFileSync } from "node:fs"

/** `{state, startTime}` of a process, or undefined when there is none of that pid. */
const stat = (pid) => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name stands in parentheses and may hold anything; what follows the last ")" does not.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return { state: fields[0], startTime: fields[19] }
  } catch {
    return undefined
  }
}

export const startTimeOf = (pid) => stat(pid)?.startTime ?? ""

/** True while this very process runs: not another of the same pid, and not a zombie. */
export const isAlive = (pid, startTime) => {
  const found = stat(pid)
  if (found !== undefined) return found.state !== "Z" && (startTime === "" || startTime === found.startTime)
  if (startTime !== "") return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

/** Sends a signal; a process that is gone already is no error. */
export const signal = (pid, name) => {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (error.code !== "ESRCH") throw error
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until the process has gone; false when it has not within `limitMs`. */
export const waitUntilGone = async (pid, startTime, limitMs) => {
  const until = performance.now() + limitMs
  while (isAlive(pid, startTime)) {
    if (performance.now() > until) return false
    await pause(20)
  }
  return true
}

/** Asks a process that need not be our child to end, and ends it when it does not within `graceMs`. */
export const end = async (pid, startTime, graceMs) => {
  if (!isAlive(pid, startTime)) return
  signal(pid, "SIGTERM")
  signal(pid, "SIGCONT")
  if (await waitUntilGone(pid, startTime, graceMs)) return
  signal(pid, "SIGKILL")
  await waitUntilGone(pid, startTime, 5_000)
}
