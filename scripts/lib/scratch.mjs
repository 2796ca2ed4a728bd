/**
 * Where the temporary folders of a test run lie: in memory where there is plenty of it, so that no commit waits for a disk.
 *
 * Tests kill processes, never the machine: what a killed one had written is there in either place. What a run that was
 * killed itself has left in memory goes with a later run.
 */
import { mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs"
import { freemem, tmpdir } from "node:os"
import { join } from "node:path"
import { say } from "./report.mjs"

const memoryFolder = "/dev/shm"
/** A dozen databases with their logs of 100 MB, the streams beside them, and the processes themselves. */
const plenty = 8 * 1024 ** 3
const prefix = "cm-part-"
/** Longer than a run may take. */
const staleMs = 3_600_000

const freeIn = (folder) => {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0
  }
}

const removeStale = (folder) => {
  for (const name of readdirSync(folder).filter((one) => one.startsWith(prefix))) {
    const path = join(folder, name)
    const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs
    if (changed !== undefined && Date.now() - changed > staleMs) rmSync(path, { recursive: true, force: true })
  }
}

/** A new folder for a part of a run: under TMPDIR, when that is given. */
export const scratchFolder = () => {
  if (process.env.TMPDIR === undefined && freeIn(memoryFolder) > 0) {
    removeStale(memoryFolder)
    const memory = process.availableMemory?.() ?? freemem()
    if (Math.min(memory, freeIn(memoryFolder)) >= plenty) return mkdtempSync(join(memoryFolder, prefix))
  }
  return mkdtempSync(join(tmpdir(), prefix))
}

/** Removes it; whoever wrote there may not have gone yet. What is left all the same says nothing of the tests. */
export const removeScratch = (folder) => {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 })
  } catch (error) {
    say(`${folder} was not removed: ${error.message}`)
  }
}
