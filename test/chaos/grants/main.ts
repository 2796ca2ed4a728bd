/**
 * `npm run grants`: 100,000 refreshes of OAuth grants at a hostile provider, by three replicas that are killed,
 * paused and cut off meanwhile; ends with 0 only when no grant was lost and no secret was said.
 *
 * Options: `--refreshes=100000`, `--seed`, `--quick` (1,000), `--grants` (600 credentials), `--rest` seconds
 * at most between two troubles (6), `--rate` of people's doings a second (8), `--scale` stretches all
 * terms for a machine that is busy (1), `--minutes` at most, `--round` refreshes (20,000) until every grant is
 * looked at once more; `--out` a file of figures: the whole rounds in it are counted on, so a run that was
 * ended goes on behind the last one. `--mutant=claim|answer|fence` takes one safeguard
 * away from a copy of the source, and ends with 0 when grants are lost. docs/grants.md says more.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { argumentsOf } from "../../../scripts/lib/arguments.mjs"
import { seededRandom } from "../../support/seededRandom.ts"
import { copySource } from "../sourceCopy.ts"
import { startGround } from "../World.ts"
import type { Loss } from "./Books.ts"
import { type GrantMutant, grantMutants, makeGrantMutant } from "./mutants.ts"
import { type Figures, type RunOptions, type RunResult, run } from "./run.ts"
import { add, line, type Part, shownPart, sumOf, type Total, wholeOf } from "./sum.ts"

const { misused, values } = argumentsOf(import.meta.filename, {
  call: "npm run grants --",
  options: {
    seed: { type: "string" },
    refreshes: { type: "string", default: "100000" },
    round: { type: "string", default: "20000" },
    grants: { type: "string", default: "600" },
    minutes: { type: "string", default: "120" },
    rest: { type: "string", default: "6" },
    rate: { type: "string", default: "8" },
    scale: { type: "string", default: "1" },
    mutant: { type: "string" },
    quick: { type: "boolean", default: false },
    out: { type: "string" }
  }
})
if (values.seed !== undefined) process.env.SEED = values.seed
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

const mutantOf = (name: string): GrantMutant => {
  const found = Object.entries(grantMutants).find(([key]) => key === name)?.[1]
  if (found === undefined) return misused(`--mutant is one of ${Object.keys(grantMutants).join(", ")}`)
  return found
}

const { random, seed } = seededRandom("grants")
const mutant = values.mutant === undefined ? undefined : mutantOf(values.mutant)
/** What earlier runs have counted, in the file that this one writes. One that was ended before its last look counts for nothing. */
let total: Total =
  values.out !== undefined && mutant === undefined && existsSync(values.out)
    ? wholeOf(JSON.parse(readFileSync(values.out, "utf8")) as Total)
    : sumOf([])
const wanted = values.quick ? 1_000 : Number(values.refreshes)
const keep = (part: Part): Total => {
  const sum = add(total, part)
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(sum, null, 2)}\n`)
  return sum
}
if (total.refreshes > 0) console.log(`${total.refreshes} refreshes were carried out before`)

/** Processes are killed here and the machine is not: what the kernel was given survives. */
const ground = await startGround(1, ["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=256M"])
const source = mutant === undefined ? copySource() : makeGrantMutant(mutant)
const until = performance.now() + Number(values.minutes) * 60_000
const options: Omit<RunOptions, "refreshes" | "limitMs"> = {
  ground,
  random,
  grants: mutant !== undefined ? 30 : values.quick ? 100 : Number(values.grants),
  cwd: source.path,
  restMs: Number(values.rest) * 1_000,
  rate: Number(values.rate),
  scale: Number(values.scale),
  ...(mutant === undefined ? {} : { focus: mutant.focus, replicas: 2, untilLost: true }),
  lost: ({ credentialId, how, kind, story }: Loss) => {
    console.log(`lost: ${kind} ${credentialId}: ${how}\n  ${story.join("\n  ")}`)
  },
  progress: (figures: Figures) => {
    console.log(line(figures))
    if (mutant === undefined) keep({ seed, isWhole: false, ...figures })
  }
}
let last: RunResult | undefined
let isGood = true
// Each round ends with a look at every grant, and is in the file then, whatever becomes of the next one.
while (isGood && total.refreshes < wanted && performance.now() < until) {
  const refreshes = Math.min(Number(values.round), wanted - total.refreshes)
  last = await run({ ...options, refreshes, limitMs: until - performance.now() })
  const { losses: _, secrets, ...figures } = last
  const part: Part = { seed, isWhole: true, ...figures }
  total = mutant === undefined ? keep(part) : add(total, part)
  for (const found of secrets.slice(0, 20)) console.log(`a secret: ${found}`)
  console.log(shownPart(part))
  isGood = last.lost === 0 && last.secretsFound === 0 && last.diedByThemselves === 0
  if (mutant !== undefined) break
}
await ground.stop()
source.remove()
console.log(
  mutant === undefined
    ? `${total.refreshes} refreshes in ${total.parts.length} round(s), ${total.lost} grants lost, seed ${seed}`
    : `without a safeguard (${mutant.name}): ${last?.lost} grants lost in ${last?.refreshes} refreshes, seed ${seed}`
)
process.exit(
  (mutant === undefined ? isGood && total.lost === 0 && total.refreshes >= wanted : (last?.lost ?? 0) > 0) ? 0 : 1
)
