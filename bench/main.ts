/**
 * `npm run bench`: one table of what the service reaches, each figure beside a baseline of the same run.
 *
 * Options: `--groups=validation,secrets` groups, `--rounds=7`, `--milliseconds=2000` a round, `--quick` (a short
 * form with little data, several groups at once: it shows that everything runs, and its figures say nothing),
 * `--out=folder` for `results.json`, `table.md` and the plots, `--verdicts=minutes` (2) of chaos whose verdicts
 * stand above the table, `--list`. The exit code is 0 when everything was measured and no verdict was wrong; a goal that is
 * not held is told, and is no failure.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "../scripts/lib/arguments.mjs"
import { changes } from "./measures/changes.ts"
import { fairness } from "./measures/fairness.ts"
import { latency, miss } from "./measures/latency.ts"
import { replicas } from "./measures/replicas.ts"
import { revocations } from "./measures/revocations.ts"
import { scale } from "./measures/scale.ts"
import { moving, opening, secrets } from "./measures/secrets.ts"
import { memory, validation } from "./measures/validation.ts"
import { provisioning, relaying } from "./measures/writing.ts"
import { type Group, isOutOfReach, type Measured, measureGroup, type Options, type Plot } from "./support/measure.ts"
import { svg } from "./support/plot.ts"
import { machine, machineShown } from "./support/report.ts"
import { markdownTable, textTable } from "./support/table.ts"
import { takeVerdicts } from "./support/verdicts.ts"

const groups: ReadonlyArray<Group> = [
  validation,
  memory,
  latency,
  miss,
  replicas,
  changes,
  ...revocations,
  opening,
  secrets,
  moving,
  provisioning,
  relaying,
  fairness,
  scale
]

const { misused, values } = argumentsOf(import.meta.filename, {
  call: "npm run bench --",
  options: {
    groups: { type: "string" },
    rounds: { type: "string" },
    milliseconds: { type: "string" },
    quick: { type: "boolean", default: false },
    out: { type: "string", default: join("bench", "results") },
    verdicts: { type: "string" },
    list: { type: "boolean", default: false }
  }
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

const whole = (name: "rounds" | "milliseconds", fallback: number): number => {
  const given = values[name]
  const value = Number(given ?? fallback)
  if (!Number.isSafeInteger(value) || value < 1) misused(`--${name} is a whole number from 1 on`)
  return value
}

const chosen = (): ReadonlyArray<Group> => {
  if (values.groups === undefined) return groups
  const names = values.groups.split(",")
  const unknown = names.filter((name) => !groups.some(({ id }) => id === name))
  if (unknown.length > 0) misused(`no such group: ${unknown.join(", ")}; there are ${groups.map(({ id }) => id)}`)
  return groups.filter(({ id }) => names.includes(id))
}

const run = async (): Promise<number> => {
  if (values.list) {
    for (const { id, title } of groups) console.log(`${id.padEnd(14)}${title}`)
    return 0
  }
  // What was asked for wrongly is refused before anything is measured, which takes minutes.
  const taken = chosen()
  const plots: Array<Plot> = []
  // Figures of the short form say nothing, so its groups need not be alone; they wait for servers most of the time.
  const atOnce = values.quick ? 3 : 1
  const options: Options = {
    rounds: whole("rounds", values.quick ? 1 : 7),
    milliseconds: whole("milliseconds", values.quick ? 200 : 2_000),
    isQuick: values.quick,
    plot: (plot) => plots.push(plot)
  }
  const before = machine()
  console.log(machineShown(before))
  const verdicts = await takeVerdicts(Number(values.verdicts ?? (values.quick ? 0 : 2)))
  console.log(verdicts.shown)
  const rowsOf = new Map<string, ReadonlyArray<Measured>>()
  const failed: Array<string> = []
  const take = async (group: Group): Promise<void> => {
    const began = performance.now()
    if (atOnce === 1) process.stdout.write(`${group.id}: ${group.title} ... `)
    const told = (result: string) => console.log(atOnce === 1 ? result : `${group.id}: ${group.title} ... ${result}`)
    try {
      const rows = await measureGroup(group, options)
      rowsOf.set(group.id, rows)
      told(`${((performance.now() - began) / 1_000).toFixed(0)} s\n${textTable(rows)}`)
    } catch (error) {
      failed.push(group.id)
      told(`FAILED: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const head = [
    machineShown(before),
    verdicts.shown,
    ...(values.quick ? ["a short form: its figures say nothing"] : [])
  ]
  const inOrder = () => taken.flatMap(({ id }) => rowsOf.get(id) ?? [])
  mkdirSync(values.out, { recursive: true })
  /** After each group, so that a run that is ended leaves what it has measured. */
  const write = () => {
    const measured = inOrder()
    const json = { at: new Date().toISOString(), machine: before, verdicts, options, failed, measured, plots }
    writeFileSync(join(values.out, "results.json"), `${JSON.stringify(json, null, 2)}\n`)
    writeFileSync(join(values.out, "table.md"), `${head.join("\n\n")}\n\n${markdownTable(measured)}\n`)
    for (const plot of plots) writeFileSync(join(values.out, plot.file), svg(plot))
  }
  const left = [...taken]
  const taker = async () => {
    for (let group = left.shift(); group !== undefined; group = left.shift()) {
      await take(group)
      write()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, taker))
  const measured = inOrder()
  console.log(`\n${head.join("\n")}\n\n${textTable(measured)}`)
  const missed = measured.filter(({ isHeld }) => isHeld === false)
  const held = measured.filter(({ isHeld }) => isHeld === true).length
  console.log(`\n${held} goals held, ${missed.length} not, ${missed.filter(isOutOfReach).length} of those out of reach`)
  for (const group of failed) console.log(`not measured: ${group}`)
  console.log(`written: ${values.out}`)
  return failed.length > 0 || verdicts.wrong > 0 ? 1 : 0
}

process.exit(await run())
