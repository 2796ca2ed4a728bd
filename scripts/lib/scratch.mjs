/**
 * Where the temporary folders of a test run lie: in memory where there is plenty of it, so that no commit waits for a disk.
 *
 * Tests kill processes, never the machine: what a killed one had written is there in either place.
 */
import { statfsSync } from "node:fs"
import { freemem, tmpdir } from "node:os"

const memoryFolder = "/dev/shm"
/** A dozen databases with their logs of 100 MB, the streams beside them, and the processes themselves. */
const plenty = 8 * 1024 ** 3

const freeIn = (folder) => {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0
  }
}

/** The folder that TMPDIR names, when it names one. */
export const scratch = () => {
  if (process.env.TMPDIR !== undefined) return tmpdir()
  const memory = process.availableMemory?.() ?? freemem()
  return Math.min(memory, freeIn(memoryFolder)) >= plenty ? memoryFolder : tmpdir()
}
