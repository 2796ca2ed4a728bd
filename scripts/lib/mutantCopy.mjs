/**
 * A copy of the checkout in a temporary folder into which faults are put, one at a time.
 *
 * The working tree is never touched. Modules and built servers are the checkout's own, by links; all else
 * is copied, so that a copy outlives changes to the checkout. Copies keep their times: with a lock file that is newer than the
 * modules, a test that starts the service would install them anew, and empty the checkout's own.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { builtBinaries, checkout } from "./find.mjs"
import { Refusal } from "./report.mjs"

const notCopied = new Set(["node_modules", ".git", ".local"])

/** The text with the fault in it; a text that does not stand there exactly once is refused. */
export const withFault = (text, { from, id, file, to }) => {
  const parts = text.split(from)
  if (parts.length !== 2) throw new Refusal(`fault ${id}: its text stands ${parts.length - 1} times in ${file}`)
  return parts.join(to)
}

/** `put(mutant)` puts one fault in and answers what takes it out again. */
export const makeCopy = () => {
  const path = mkdtempSync(join(tmpdir(), "cm-mutant-"))
  const remove = () => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 300 })
  process.once("exit", remove)
  for (const entry of readdirSync(checkout)) {
    if (!notCopied.has(entry)) {
      cpSync(join(checkout, entry), join(path, entry), { recursive: true, preserveTimestamps: true })
    }
  }
  symlinkSync(join(checkout, "node_modules"), join(path, "node_modules"))
  if (existsSync(builtBinaries)) {
    mkdirSync(join(path, ".local"))
    symlinkSync(builtBinaries, join(path, ".local", "bin"))
  }
  return {
    path,
    put: (mutant) => {
      const file = join(path, mutant.file)
      const whole = readFileSync(file, "utf8")
      writeFileSync(file, withFault(whole, mutant))
      return () => writeFileSync(file, whole)
    },
    remove: () => {
      process.off("exit", remove)
      remove()
    }
  }
}
