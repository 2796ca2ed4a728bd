/**
 * One process at a time: a file that names its holder by pid and start time.
 *
 * A lock whose holder has died is taken over, so a SIGKILL leaves nothing that has to be cleaned up by
 * hand. The file appears whole (a link), so nobody reads half of one.
 *
 * Taking over is replacing the dead holder's file, which must not hit a file that somebody else has put
 * there meanwhile. So whoever wants to be a dead holder's successor first makes a file of that name, by a
 * link, which only one can; then looks whether the dead one's lock is still there, which from then on
 * only the successor may change; and renames its file over it. A successor that dies on the way has a
 * successor in the same manner. A process is dead once and for ever, so no name is ever meant twice.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { isAlive, pause, startTimeOf } from "./processes.mjs"

/** What a machine that lost its power left of a file: nobody alive. */
const nobody = { pid: 0, startTime: "unreadable" }

/** Whom a file names, or undefined when there is none. */
const read = (file) => {
  let text
  try {
    text = readFileSync(file, "utf8")
  } catch (error) {
    if (error.code === "ENOENT") return undefined
    throw error
  }
  try {
    const { pid, startTime } = JSON.parse(text)
    return Number.isInteger(pid) && pid > 0 && typeof startTime === "string" ? { pid, startTime } : nobody
  } catch {
    return nobody
  }
}

const lives = (one) => one !== nobody && isAlive(one.pid, one.startTime)
const isSame = (one, other) => one?.pid === other.pid && one.startTime === other.startTime

/** The process that holds the lock, or undefined. */
export const holderOf = (file) => {
  const holder = read(file)
  return holder !== undefined && lives(holder) ? holder : undefined
}

/** Whether `name` was made; false when there is one. */
const linked = (mine, name) => {
  try {
    linkSync(mine, name)
    return true
  } catch (error) {
    if (error.code === "EEXIST") return false
    throw error
  }
}

/** Takes the place of `first`, who is dead: `{}`, `{holder}` when another is at it, or undefined to look again. */
const succeed = (file, mine, first) => {
  const left = []
  for (let dead = first; ; ) {
    const claim = `${file}.after-${dead.pid}-${dead.startTime}`
    if (linked(mine, claim)) {
      const now = read(file)
      if (now === undefined || !isSame(now, first)) {
        rmSync(claim, { force: true })
        return undefined
      }
      renameSync(claim, file)
      for (const name of left) rmSync(name, { force: true })
      return {}
    }
    const claimant = read(claim)
    if (claimant === undefined) return undefined
    if (lives(claimant)) return { holder: claimant }
    left.push(claim)
    dead = claimant
  }
}

/** Takes the lock: `{release}`, or `{holder}` when a living process has it. */
export const tryLock = (file) => {
  mkdirSync(dirname(file), { recursive: true })
  const me = { pid: process.pid, startTime: startTimeOf(process.pid) }
  const mine = `${file}.${process.pid}`
  const release = () => {
    const holder = read(file)
    if (holder !== undefined && isSame(holder, me)) rmSync(file, { force: true })
  }
  // One of a former process of this pid may be the lock itself, by another name: it must not be written to.
  rmSync(mine, { force: true })
  writeFileSync(mine, JSON.stringify(me))
  try {
    for (;;) {
      if (linked(mine, file)) return { release }
      const found = read(file)
      if (found === undefined) continue
      if (lives(found)) return { holder: found }
      const taken = succeed(file, mine, found)
      if (taken !== undefined) return taken.holder === undefined ? { release } : taken
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
