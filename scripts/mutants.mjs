/**
 * `npm run mutants`: each fault of the catalogue in `test/mutants`, one at a time, in a copy of the checkout, against the
 * tests that could notice it; a table of what was killed, by which test, and what survived.
 *
 * Options: `--only=text` (ids or files that contain it), `--sample=0.1` a part, of those that a unit test noticed
 * once, that `--seed` chooses (printed; else what the catalogue comes to: one commit has one sample), `--unit` faults whose nearest test needs no server, tried against unit tests only, `--whole` goes on to
 * whole projects before a fault counts as survived, `--open` only those that docs/mutants.md calls survived or not tried,
 * `--timeout=seconds` a limit for each test, `--jobs=2` copies at once, `--afresh` believes no earlier run, `--within=seconds` begins
 * with no other one after that and gives those that are under way ten more, `--passed=file` takes it from vitest's report of a run a moment ago that tests pass without a
 * fault, `--types` only whether every fault types, `--page` tries nothing and writes what is known into
 * docs/mutants.md and the column of docs/requirements.md. A run that was stopped goes on where it was, by what it kept in
 * `.local/mutants.json` or in `--results=file`. Runs on the checkout's own Node.
 *
 * Ends with 0 when every fault that was tried is killed, or said to survive and why; with `--within` also when the machine was
 * too busy to tell.
 */
import { createHash } from "node:crypto"
import { argumentsOf } from "./lib/arguments.mjs"
import { provide } from "./lib/install.mjs"
import { makeCopy } from "./lib/mutantCopy.mjs"
import { noticedByUnits, openOnes, writePages } from "./lib/mutantPages.mjs"
import { openResults } from "./lib/mutantResults.mjs"
import { baselines, passedFiles, testOf, tryFault } from "./lib/mutantRun.mjs"
import { untyped } from "./lib/mutantTypes.mjs"
import { orExplain, Refusal, say } from "./lib/report.mjs"

/** For how long a fault that is under way when the time of `--within` is over is still tried. */
const lastOneMs = 10_000

const isUnit = (test) => testOf(test).project === "unit*"

const { values: options } = argumentsOf(import.meta.filename, {
  call: "npm run mutants --",
  options: {
    only: { type: "string" },
    sample: { type: "string" },
    seed: { type: "string", default: process.env.SEED },
    unit: { type: "boolean", default: false },
    whole: { type: "boolean", default: false },
    open: { type: "boolean", default: false },
    results: { type: "string" },
    timeout: { type: "string" },
    jobs: { type: "string", default: "2" },
    afresh: { type: "boolean", default: false },
    within: { type: "string" },
    passed: { type: "string" },
    types: { type: "boolean", default: false },
    page: { type: "boolean", default: false }
  }
})

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
const chance = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Another one whenever the catalogue or what is known of it changes; the same on every machine and for every repetition. */
const seedOf = (mutants) =>
  createHash("sha256")
    .update(JSON.stringify(mutants.map(({ from, id, to }) => [id, from, to])))
    .digest()
    .readUInt32BE() >>> 1

const sampleOf = (mutants) => {
  if (options.sample === undefined) return mutants
  const seed = options.seed === undefined ? seedOf(mutants) : Number(options.seed)
  const random = chance(seed)
  const count = Math.max(1, Math.round(mutants.length * Number(options.sample)))
  say(`${count} of ${mutants.length} faults, --seed=${seed}`)
  return mutants
    .map((mutant) => ({ mutant, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ mutant }) => mutant)
}

/** The tests to try: those of the entry, and with `--whole` then the projects that could notice. */
const testsOf = (mutant) => {
  const near = options.unit ? mutant.tests.filter(isUnit) : mutant.tests
  if (!options.whole) return near
  return [...near, "test/unit/", ...(near.every(isUnit) ? [] : ["test/integration/"])]
}

const shown = ({ id }, { by, said, state, test, ms }) => {
  const seconds = `${(ms / 1_000).toFixed(1)} s`
  if (state === "killed") return `killed    ${id}  ${test.split("#")[0]}: ${by} (${seconds})`
  if (state === "busy") return `too busy  ${id}  ${said}`
  return state === "error" ? `ERROR     ${id}  ${said}` : `SURVIVED  ${id} (${seconds})`
}

const runAll = async (mutants) => {
  const limitMs = options.timeout === undefined ? undefined : 1_000 * Number(options.timeout)
  const results = openResults(options.results)
  const baselineOf = baselines(results, options.passed === undefined ? undefined : passedFiles(options.passed))
  const outcomes = new Map()
  const waiting = mutants.filter((mutant) => {
    const known = options.afresh ? undefined : results.known(mutant)
    if (known !== undefined) outcomes.set(mutant, known)
    return known === undefined
  })
  if (outcomes.size > 0) say(`${outcomes.size} are known from earlier runs`)
  const until = options.within === undefined ? Infinity : performance.now() + 1_000 * Number(options.within)
  const overAt = until + lastOneMs
  const next = () => (performance.now() < until ? waiting.shift() : undefined)
  const worker = async () => {
    const copy = makeCopy()
    for (let mutant = next(); mutant !== undefined; mutant = next()) {
      let outcome = await tryFault(copy, mutant, testsOf(mutant), baselineOf, limitMs, overAt)
      // Of a sample each was noticed once: a test that draws by chance has a second draw, and a test that failed by itself another try.
      if (options.sample !== undefined && (outcome.state === "survived" || outcome.state === "error")) {
        outcome = await tryFault(copy, mutant, testsOf(mutant), baselines(results), limitMs, overAt)
      }
      outcomes.set(mutant, outcome)
      if (!options.unit || outcome.state === "killed" || mutant.tests.every(isUnit)) results.keep(mutant, outcome)
      say(shown(mutant, outcome))
    }
    copy.remove()
  }
  await Promise.all(Array.from({ length: Math.min(Number(options.jobs), waiting.length) }, worker))
  if (waiting.length > 0) say(`${waiting.length} were not tried within ${options.within} s`)
  return outcomes
}

/** A sample is of those that were noticed once: it asks whether they still are. One that has to end in time walks no models. */
const chosen = (catalogue, models) => {
  const noticed = options.sample === undefined ? null : noticedByUnits()
  const open = options.open ? openOnes(catalogue) : null
  return sampleOf(
    catalogue
      .filter(({ id }) => noticed === null || noticed.has(id))
      .filter(({ id }) => open === null || open.has(id))
      .filter(({ file, id }) => options.only === undefined || id.includes(options.only) || file.includes(options.only))
      .filter((mutant) => !options.unit || (mutant.survives === undefined && isUnit(mutant.tests[0])))
      .filter(({ tests }) => options.within === undefined || !models.includes(testOf(tests[0]).file))
  )
}

await orExplain(async () => {
  if (!options.page) await provide(options.unit || options.types ? { nats: false, mariadb: false } : {})
  const { catalogue } = await import(new URL("../test/mutants/catalogue.ts", import.meta.url).href)
  if (options.page) return writePages(catalogue, openResults(options.results).last)
  const { models } = await import(new URL("../test/support/models.ts", import.meta.url).href)
  const mutants = chosen(catalogue, models)
  if (mutants.length === 0) throw new Refusal("no fault of the catalogue is meant")
  if (options.types) {
    const wrong = await untyped(mutants)
    for (const [id, error] of wrong) say(`DOES NOT TYPE  ${id}  ${error}`)
    say(`${mutants.length - wrong.size} passed, ${wrong.size} failed`)
    process.exitCode = wrong.size === 0 ? 0 : 1
    return
  }
  const outcomes = await runAll(mutants)
  const count = (state) => [...outcomes.values()].filter((outcome) => outcome.state === state).length
  const unexplained = [...outcomes].filter(
    ([{ survives }, { state }]) =>
      state === "error" ||
      (state === "busy" && options.within === undefined) ||
      (state === "survived" && survives === undefined)
  )
  for (const [mutant, outcome] of unexplained) say(shown(mutant, outcome))
  say(
    `${count("killed")} killed, ${count("survived")} survived, ${count("error") + count("busy")} not told of ${outcomes.size}`
  )
  process.exitCode = unexplained.length === 0 ? 0 : 1
})
