/**
 * One process at a time: a file that names its holder by pid and start time.
 *
 * A lock whose holder has died is taken over, so a SIGKILL leaves nothing that has to be cleaned up by
 * hand. The file appears whole (a link), so nobody reads half of one.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { isAlive, pause, startTimeOf } from "./processes.mjs"

const read = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    return undefined
  }
}

/** The process that holds the lock, or undefined. */
export const holderOf = (file) => {
  const holder = read(file)
  return holder !== undefined && isAlive(holder.pid, holder.startTime) ? holder : undefined
}

/** Takes a dead holder's file away, and puts it back when another process was quicker and it is a live one's. */
const clearDead = (file) => {
  const aside = `${file}.${process.pid}.dead`
  try {
    renameSync(file, aside)
    if (holderOf(aside) !== undefined) linkSync(aside, file)
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error
  }
  rmSync(aside, { force: true })
}

/** Takes the lock: `{release}`, or `{holder}` when a living process has it. */
export const tryLock = (file) => {
  mkdirSync(dirname(file), { recursive: true })
  const mine = `${file}.${process.pid}`
  writeFileSync(mine, JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) }))
  try {
    for (;;) {
      try {
        linkSync(mine, file)
        return { release: () => rmSync(file, { force: true }) }
      } catch (error) {
        if (error.code !== "EEXIST") throw error
      }
      const holder = holderOf(file)
      if (holder !== undefined) return { holder }
      clearDead(file)
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

/** Runs `work` alone, after whoever holds the lock has let go of it. */
export const alone = async (file, work) => {
  for (;;) {
    const lock = tryLock(file)
    if (lock.release === undefined) {
      await pause(100)
      continue
    }
    try {
      return await work()
    } finally {
      lock.release()
    }
  }
}
