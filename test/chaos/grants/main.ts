/**
 * `npm run grants`: no grant is lost in so many refreshes, or a build that lacks a safeguard does lose some.
 * The options are told in scripts/grants.mjs; docs/grants.md says what is counted.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { seededRandom } from "../../support/seededRandom.ts"
import { copySource } from "../sourceCopy.ts"
import { startGround } from "../World.ts"
import { type GrantMutant, grantMutants, makeGrantMutant } from "./mutants.ts"
import { type Figures, type RunOptions, run } from "./run.ts"
import { add, line, nothingYet, type Part, shownPart, type Total } from "./sum.ts"

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    refreshes: { type: "string", default: "100000" },
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
  if (found === undefined) throw new Error(`--mutant is one of ${Object.keys(grantMutants).join(", ")}`)
  return found
}

const { random, seed } = seededRandom("grants")
const mutant = values.mutant === undefined ? undefined : mutantOf(values.mutant)
/** What earlier runs have counted, in the file that this one writes. */
const before: Total =
  values.out !== undefined && mutant === undefined && existsSync(values.out)
    ? (JSON.parse(readFileSync(values.out, "utf8")) as Total)
    : nothingYet
const wanted = values.quick ? 1_000 : Number(values.refreshes)
const keep = (part: Part): Total => {
  const total = add(before, part)
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(total, null, 2)}\n`)
  return total
}
if (before.refreshes >= wanted) console.log(`${before.refreshes} refreshes were carried out before`)

/** Processes are killed here and the machine is not: what the kernel was given survives. */
const ground = await startGround(1, ["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=256M"])
const source = mutant === undefined ? copySource() : makeGrantMutant(mutant)
const options: RunOptions = {
  ground,
  random,
  refreshes: wanted - before.refreshes,
  grants: mutant !== undefined ? 30 : values.quick ? 100 : Number(values.grants),
  cwd: source.path,
  restMs: Number(values.rest) * 1_000,
  rate: Number(values.rate),
  scale: Number(values.scale),
  limitMs: Number(values.minutes) * 60_000,
  ...(mutant === undefined ? {} : { focus: mutant.focus, replicas: 2, untilLost: true }),
  progress: (figures: Figures) => {
    console.log(line(figures))
    keep({ seed, isWhole: false, ...figures })
  }
}
const result = await run(options)
await ground.stop()
source.remove()
const { losses, secrets, ...figures } = result
const total = keep({ seed, isWhole: true, ...figures })
for (const { credentialId, how, kind, story } of losses.slice(0, 5)) {
  console.log(`lost: ${kind} ${credentialId}: ${how}\n  ${story.join("\n  ")}`)
}
for (const found of secrets.slice(0, 20)) console.log(`a secret: ${found}`)
console.log(shownPart({ seed, isWhole: true, ...figures }))
const { lost, secretsFound } = result
console.log(
  mutant === undefined
    ? `${total.refreshes} refreshes in ${total.parts.length} run(s), ${total.lost} grants lost, seed ${seed}`
    : `without a safeguard (${mutant.name}): ${lost} grants lost in ${result.refreshes} refreshes, seed ${seed}`
)
const isGood = mutant === undefined ? lost === 0 && secretsFound === 0 && result.diedByThemselves === 0 : lost > 0
process.exit(isGood ? 0 : 1)
