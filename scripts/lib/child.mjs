/**
 * A process that we start, watch and stop.
 *
 * It gets a session of its own, so that Ctrl-C on the terminal does not reach it and it can be
 * stopped in order; its output goes into a file whose last lines can be shown when it dies; and a
 * watchdog ends it should this process disappear without stopping it, even by SIGKILL.
 */
import { spawn } from "node:child_process"
import { closeSync, existsSync, openSync, readFileSync, renameSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { signal, startTimeOf, waitUntilGone } from "./processes.mjs"

let watchdog

const tellWatchdog = (line) => {
  if (watchdog === undefined || watchdog.exitCode !== null || watchdog.signalCode !== null) {
    const script = fileURLToPath(new URL("watchdog.sh", import.meta.url))
    watchdog = spawn("/bin/sh", [script], { detached: true, stdio: ["pipe", "ignore", "ignore"] })
    watchdog.on("error", () => {})
    watchdog.stdin.on("error", () => {})
    watchdog.unref()
    watchdog.stdin.unref()
  }
  watchdog.stdin.write(`${line}\n`)
}

/** Has the watchdog end a process that was spawned otherwise, too, should this one disappear. */
export const watchOver = (child) => {
  const { pid } = child
  if (pid === undefined) return
  tellWatchdog(`+ ${pid} ${startTimeOf(pid)}`)
  child.once("exit", () => tellWatchdog(`- ${pid}`))
}

/** The last `count` lines of a text file; empty when there is none. */
export const lastLines = (file, count) =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .slice(-count)
    : []

/**
 * Starts `command`; its output goes to `logFile` (what was there is kept as `<logFile>.previous`).
 *
 * `stop()` asks it to end (SIGTERM), waits `graceMs`, then kills it; it resolves when the process is
 * gone and may be called again. `exited` resolves with `{code, signal}` whatever the reason.
 */
export const startChild = ({ name, command, args, env = process.env, cwd, logFile, graceMs = 10_000 }) => {
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.previous`)
  const log = openSync(logFile, "a", 0o600)
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", log, log] })
  closeSync(log)
  const { pid } = child
  const startTime = pid === undefined ? "" : startTimeOf(pid)
  if (pid !== undefined) tellWatchdog(`+ ${pid} ${startTime}`)

  const state = { ended: false }
  const exited = new Promise((resolve) => {
    const done = (end) => {
      if (state.ended) return
      state.ended = true
      if (pid !== undefined) tellWatchdog(`- ${pid}`)
      resolve(end)
    }
    child.once("exit", (code, signalName) => done({ code, signal: signalName }))
    child.once("error", (error) => done({ code: null, signal: null, error }))
  })

  const stop = async () => {
    if (state.ended) return exited
    signal(pid, "SIGTERM")
    signal(pid, "SIGCONT")
    if (!(await waitUntilGone(pid, startTime, graceMs))) signal(pid, "SIGKILL")
    return exited
  }

  return {
    name,
    pid,
    startTime,
    logFile,
    exited,
    hasEnded: () => state.ended,
    kill: (signalName) => {
      if (!state.ended) signal(pid, signalName)
    },
    stop,
    lastLogLines: (count = 20) => lastLines(logFile, count)
  }
}
