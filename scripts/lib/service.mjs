/**
 * The service itself: one process of Node 24 on `src/main.ts`, and the wait until it answers.
 *
 * When `CM_READY_FILE` is set, the service writes `{"replica": …, "pid": …}` into that file once its
 * subscriptions are known to the bus and every part of it works.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { startChild } from "./child.mjs"
import { compileCache } from "./compileCache.mjs"
import { checkout } from "./find.mjs"
import { nodeArguments } from "./nodeArguments.mjs"
import { pause } from "./processes.mjs"
import { Refusal } from "./report.mjs"

const readyLimitMs = 120_000

/** How long an orderly stop may take: requests in hand are answered first. */
const graceMs = 30_000

/** Starts one replica; `label` keeps the files of several apart. */
export const startService = ({ dir, env, label = "service" }) => {
  mkdirSync(join(dir, "log"), { recursive: true })
  const readyFile = join(dir, `${label}.ready`)
  rmSync(readyFile, { force: true })
  const child = startChild({
    name: "service",
    command: join(checkout, "node_modules", ".bin", "node"),
    args: [...nodeArguments, join("src", "main.ts")],
    cwd: checkout,
    // Takes a third off the time of a start.
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...env, CM_READY_FILE: readyFile },
    logFile: join(dir, "log", `${label}.log`),
    graceMs
  })
  child.exited.then(() => rmSync(readyFile, { force: true }))
  return { ...child, label, readyFile }
}

const readReady = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    // Not there, or not whole yet.
    return undefined
  }
}

/** What the service said of itself when it was ready; undefined when it ended before that. */
export const whenReady = async (service) => {
  const until = performance.now() + readyLimitMs
  while (!service.hasEnded()) {
    const ready = existsSync(service.readyFile) ? readReady(service.readyFile) : undefined
    if (ready !== undefined) return ready
    if (performance.now() > until) {
      throw new Refusal(`the service was not ready within ${readyLimitMs / 1_000} s: ${service.logFile} says why`)
    }
    await pause(20)
  }
  return undefined
}
