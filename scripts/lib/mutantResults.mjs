/**
 * What earlier runs of the faults found, in `.local/mutants.json` or another file, so that a run goes on where another one was stopped.
 *
 * A fault that was killed stays so while its entry, the file it stands in and the tests it names are as they were. One that
 * survived is tried again as soon as anything changed: some test may notice it now.
 */
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { checkout } from "./find.mjs"
import { testOf } from "./mutantRun.mjs"

const usualFile = join(checkout, ".local", "mutants.json")

const digest = (texts) => {
  const hash = createHash("sha256")
  for (const text of texts) hash.update(text).update("\0")
  return hash.digest("hex").slice(0, 16)
}

const textOf = (path) => (existsSync(join(checkout, path)) ? readFileSync(join(checkout, path)) : "")

/** Of what a test runs or stands on, but the tests themselves, the catalogue and the documents. */
export const sourcesHash = () =>
  digest(
    [
      ...globSync("{src,scripts,test/support,test/suites,test/fixtures}/**/*.{ts,mjs,sh,sql}", { cwd: checkout }),
      "nats.conf",
      "package-lock.json",
      "vitest.config.ts"
    ]
      .sort()
      .flatMap((path) => [path, textOf(path)])
  )

const nearHash = (mutant) =>
  digest([JSON.stringify(mutant), textOf(mutant.file), ...mutant.tests.map((test) => textOf(testOf(test).file))])

const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { outcomes: {}, passes: {} })

/** Adds one thing to what is in the file by now: several runs may share it. */
const add = (file, section, name, value) => {
  mkdirSync(dirname(file), { recursive: true })
  const state = read(file)
  state[section][name] = value
  const whole = `${file}.${process.pid}`
  writeFileSync(whole, JSON.stringify(state, null, 1))
  renameSync(whole, file)
}

/** `known(mutant)`, `last(mutant)` also of other sources, and `keep(mutant, outcome)`; `passed(test)` and `pass(test, ms)` of tests without a fault. */
export const openResults = (file = usualFile, sources = sourcesHash()) => {
  const { outcomes, passes } = read(file)
  const keyOf = (test) => digest([sources, test, textOf(testOf(test).file)])
  return {
    known: (mutant) => {
      const outcome = outcomes[mutant.id]
      if (outcome === undefined || outcome.near !== nearHash(mutant)) return undefined
      return outcome.state === "killed" || (outcome.state === "survived" && outcome.sources === sources)
        ? outcome
        : undefined
    },
    last: (mutant) => {
      const outcome = outcomes[mutant.id]
      if (outcome?.state === "killed" && mutant.tests.includes(outcome.test)) return outcome
      return outcome?.state === "survived" && outcome.near === nearHash(mutant) ? outcome : undefined
    },
    keep: (mutant, outcome) => add(file, "outcomes", mutant.id, { ...outcome, near: nearHash(mutant), sources }),
    passed: (test) => passes[keyOf(test)],
    pass: (test, ms) => {
      passes[keyOf(test)] = ms
      add(file, "passes", keyOf(test), ms)
    }
  }
}
