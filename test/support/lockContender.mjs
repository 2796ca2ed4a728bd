/**
 * A process that races others for a lock, for `test/integration/lock.test.ts`.
 *
 * Told `{file, at}` it waits until that moment of the wall clock, so that all try at once, and answers
 * whether it has the lock, and whether it met another living holder while it had it. With `diesAt` it is
 * killed before its step of that number. Told `release` it lets go of the lock. It ends with its parent.
 *
 * Between any two of its steps on the lock's files it may be held up for some milliseconds, as a process
 * is on a busy machine, so that others get in between.
 */
import fs, { readFileSync, writeFileSync } from "node:fs"
import { syncBuiltinESMExports } from "node:module"

const cell = new Int32Array(new SharedArrayBuffer(4))
const heldUpMsMax = 4
/** Awake for so long before the moment at which all try, that none is late for it; before that it leaves the processor alone. */
const awakeMs = 4
let random = 1 + (Number(process.argv[2]) >>> 0)
/** xorshift, so that a run can be repeated as far as the machine lets it. */
const nextBelow = (limit) => {
  random ^= random << 13
  random ^= random >>> 17
  random ^= random << 5
  return (random >>> 0) % limit
}
let steps = 0
let diesAt
for (const name of ["linkSync", "renameSync", "rmSync", "unlinkSync", "readFileSync", "writeFileSync"]) {
  const original = fs[name]
  fs[name] = (...given) => {
    if (steps > 0 && steps++ === diesAt) process.kill(process.pid, "SIGKILL")
    if (steps > 0 && nextBelow(2) === 0) Atomics.wait(cell, 0, 0, nextBelow(heldUpMsMax + 1))
    return original(...given)
  }
}
syncBuiltinESMExports()

const { tryLock } = await import("../../scripts/lib/lock.mjs")
const { isAlive, startTimeOf } = await import("../../scripts/lib/processes.mjs")

const me = JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) })

/** The living process that says in `file` that it holds the lock. */
const otherIn = (file) => {
  try {
    const found = JSON.parse(readFileSync(file, "utf8"))
    return found.pid !== process.pid && isAlive(found.pid, found.startTime) ? found.pid : undefined
  } catch {
    return undefined
  }
}

let held
process.on("disconnect", () => process.exit())
process.on("message", (told) => {
  if (told === "release") {
    held?.release()
    held = undefined
    return process.send({ released: true })
  }
  const { at, file } = told
  diesAt = told.diesAt
  Atomics.wait(cell, 0, 0, Math.max(0, at - Date.now() - awakeMs))
  while (Date.now() < at) {}
  steps = 1
  held = tryLock(file)
  steps = 0
  if (held.release === undefined) return process.send({ has: false, holder: held.holder.pid })
  const other = otherIn(`${file}.owner`)
  writeFileSync(`${file}.owner`, me)
  process.send({ has: true, other })
})
process.send({ waiting: true })
