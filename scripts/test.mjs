/**
 * `npm test`: everything, from a fresh clone, well within an hour on two cores. The last line is
 * `N passed, N failed` over all parts.
 *
 * Installs what is missing, then: types, lint and unit tests; the integration tests against real servers; a tenth of
 * the catalogue of faults, another one whenever the catalogue changes, and where there is a `nats` command (on the path, or named by NATS_CLI)
 * the commands of the documents; the chaos tests; the short forms of the benchmark and the simulation. Those two have the
 * machine for themselves: side by side each waits for what the other one has kept from it, longer than both take in turn.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { checkout, onPath } from "./lib/find.mjs"
import { provide } from "./lib/install.mjs"
import { program, runParts, suites, unitParts } from "./lib/parts.mjs"
import { orExplain, say } from "./lib/report.mjs"

/** A run that hangs is ended; one that only takes its time on a busy machine is not. */
const limitMs = 55 * 60_000

/** What the unit tests came to: that they pass without a fault, the faults need not find out again. */
const unitReport = join(checkout, ".local", "unit-report.json")

/** As many of a tenth of the faults as can be tried within a minute, each against unit tests. */
const faults = () =>
  program("mutants", "scripts/mutants.mjs", [
    ...["--unit", "--sample=0.1", "--within=45", "--afresh"],
    `--passed=${unitReport}`
  ])

/** The commands of the documents, or a line that says why they were not run. */
const recipes = () => {
  const cli = process.env.NATS_CLI ?? onPath("nats")[0]
  if (cli !== undefined) return [suites("recipes", { NATS_CLI: cli })]
  say("recipes: not run, because there is no nats command here (put one on the path, or name it in NATS_CLI)")
  return []
}

argumentsOf(import.meta.filename, { call: "npm test" })
await orExplain(async () => {
  await provide()
  rmSync(unitReport, { force: true })
  const [types, lint, unit] = unitParts(unitReport)
  const groups = [
    [types, lint],
    [unit],
    [suites("integration")],
    [faults(), ...recipes()],
    [suites("chaos")],
    [suites("bench")]
  ]
  process.exitCode = (await runParts(groups, limitMs)) ? 0 : 1
})
