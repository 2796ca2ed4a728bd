/**
 * The folder of one running system (`CM_LOCAL_DIR`): what is remembered from start to start, and what
 * was left behind by a start that could not clean up.
 *
 *   local.json   ports and passwords, for the next start
 *   run.json     how to reach what runs now; there only while it runs
 *   pids/        the processes that were started, by pid and start time
 *   nats/  mariadb/  keys.json  log/
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { newPassword, newPasswords } from "./bus.mjs"
import { holderOf, tryLock } from "./lock.mjs"
import { end } from "./processes.mjs"
import { Refusal } from "./report.mjs"

/** The service before the servers that it stands on. */
const endOrder = ["service", "nats-server", "mariadbd"]

/** Absolute, so that it means the same to the servers. */
export const localDirOf = (env) => resolve(env.CM_LOCAL_DIR ?? ".local")

const lockOf = (dir) => join(dir, "start.lock")

/** Takes the folder for this process, or refuses when another start has it. */
export const take = (dir) => {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const lock = tryLock(lockOf(dir))
  if (lock.holder !== undefined) {
    throw new Refusal(
      `${dir} is in use by process ${lock.holder.pid}: stop that one, or set CM_LOCAL_DIR to another folder`
    )
  }
  return lock
}

/** What run.json says, or undefined when nothing runs: a start that was killed leaves the file behind. */
export const runningIn = (dir) => {
  const file = join(dir, "run.json")
  if (holderOf(lockOf(dir)) === undefined || !existsSync(file)) return undefined
  return JSON.parse(readFileSync(file, "utf8"))
}

/** Writes a file that only its owner reads, whole or not at all. */
export const writePrivate = (file, value) => {
  writeFileSync(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Ports and passwords: the last start's, or new ones. */
export const remembered = (dir) => {
  const file = join(dir, "local.json")
  const found = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}
  return {
    ...found,
    bus: { ...newPasswords(), ...found.bus },
    databasePassword: found.databasePassword ?? newPassword()
  }
}

export const remember = (dir, value) => writePrivate(join(dir, "local.json"), value)

/** Notes a process that was started; the note goes with the process. */
export const note = (dir, child) => {
  const folder = join(dir, "pids")
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${child.name}.${child.pid}.json`)
  writeFileSync(file, JSON.stringify({ name: child.name, pid: child.pid, startTime: child.startTime }))
  child.exited.then(() => rmSync(file, { force: true }))
}

/** Ends what a start that was killed has left running, in order, and removes its traces. */
export const clearLeftovers = async (dir) => {
  const folder = join(dir, "pids")
  const files = existsSync(folder) ? readdirSync(folder) : []
  const left = files.flatMap((file) => {
    try {
      return [JSON.parse(readFileSync(join(folder, file), "utf8"))]
    } catch {
      return []
    }
  })
  for (const name of endOrder) {
    await Promise.all(left.filter((one) => one.name === name).map(({ pid, startTime }) => end(pid, startTime, 10_000)))
  }
  rmSync(folder, { recursive: true, force: true })
  rmSync(join(dir, "run.json"), { force: true })
}
