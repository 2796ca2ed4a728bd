/**
 * `npm run chaos -- --seed=7 --minutes=10`: replicas under a nemesis for a while, and a checker's verdict.
 *
 * Options: `--seed`, `--minutes` (5), `--replicas` (2), `--bus` servers (1 or 3), `--rate` validations a
 * second at most (4000); `--mutants` tries builds with a safeguard off instead. docs/chaos.md says more.
 * The exit code is 0 only when nothing was wrong.
 */
import { writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { argumentsOf } from "../../scripts/lib/arguments.mjs"
import { seededRandom } from "../support/seededRandom.ts"
import { catchMutant, mutants } from "./mutants.ts"
import { type RoundReport, runRound, shown } from "./round.ts"
import { copySource } from "./sourceCopy.ts"
import { startGround, startWorld, type World } from "./World.ts"

const roundMs = 45_000

const sumOf = (reports: ReadonlyArray<RoundReport>, of: (report: RoundReport) => number): number =>
  reports.reduce((sum, report) => sum + of(report), 0)

/** What the replicas said, for whoever looks for the cause. */
const keepLogs = (world: World, seed: number, round: number): void => {
  for (const { name, output } of world.replicas) {
    const file = join(tmpdir(), `cm-chaos-${seed}-${round}-${name}.log`)
    writeFileSync(file, output(), { mode: 0o600 })
    console.log(`log of ${name}: ${file}`)
  }
}

const chaos = async (options: {
  readonly minutes: number
  readonly replicas: number
  readonly busServers: 1 | 3
  readonly rate: number
}): Promise<number> => {
  const { busServers, minutes, rate, replicas } = options
  const { random, seed } = seededRandom("chaos")
  const ground = await startGround(busServers)
  const source = copySource()
  const world = await startWorld(ground, { replicas, cwd: source.path })
  const reports: Array<RoundReport> = []
  const until = performance.now() + minutes * 60_000
  while (performance.now() < until) {
    const milliseconds = Math.min(roundMs, Math.max(5_000, until - performance.now()))
    const report = await runRound({ world, random, milliseconds, rate })
    reports.push(report)
    console.log(`round ${reports.length}\n${shown(report)}`)
    if (report.violations.length > 0) keepLogs(world, seed, reports.length)
  }
  await world.stop()
  await ground.stop()
  source.remove()
  const actions = sumOf(reports, (report) => [...report.actions.values()].reduce((sum, count) => sum + count, 0))
  const violations = sumOf(reports, (report) => report.violations.length)
  console.log(
    `seed ${seed}, ${replicas} replicas, ${busServers} bus server(s), ${minutes} min: ` +
      `${sumOf(reports, (report) => report.validations)} validations checked ` +
      `(${sumOf(reports, (report) => report.decisive)} after a right was taken away), ` +
      `${sumOf(reports, (report) => report.revocations)} revocations, ${actions} nemesis actions, ${violations} violations`
  )
  return violations
}

/** Every mutant; answers how many were not caught. */
const tryMutants = async (): Promise<number> => {
  const ground = await startGround(1)
  let missed = 0
  for (const mutant of mutants) {
    const stale = await catchMutant(mutant, ground)
    if (stale === 0) missed++
    console.log(`${stale === 0 ? "MISSED" : "caught"}: ${mutant.name} (${mutant.scenario}: ${stale} stale 200s)`)
  }
  await ground.stop()
  console.log(`${mutants.length - missed} of ${mutants.length} mutants caught`)
  return missed
}

const { values } = argumentsOf(import.meta.filename, {
  call: "npm run chaos --",
  options: {
    seed: { type: "string" },
    minutes: { type: "string", default: "5" },
    replicas: { type: "string", default: "2" },
    bus: { type: "string", default: "1" },
    rate: { type: "string", default: "4000" },
    mutants: { type: "boolean", default: false }
  }
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))
if (values.seed !== undefined) process.env.SEED = values.seed
const wrong = values.mutants
  ? await tryMutants()
  : await chaos({
      minutes: Number(values.minutes),
      replicas: Number(values.replicas),
      busServers: values.bus === "3" ? 3 : 1,
      rate: Number(values.rate)
    })
process.exit(wrong === 0 ? 0 : 1)
