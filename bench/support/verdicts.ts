/** The line above the table: verdicts under faults, and how many of them were wrong. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

export interface Verdicts {
  readonly checked: number
  readonly wrong: number
  readonly seed: number | null
  readonly shown: string
}

const main = fileURLToPath(new URL("../../test/chaos/main.ts", import.meta.url))
const lastLine =
  /seed (?<seed>\d+), .*: (?<checked>\d+) validations checked \((?<decisive>\d+) .*, (?<actions>\d+) nemesis actions, (?<wrong>\d+) violations/u

/** Chaos for some minutes, as `npm run chaos`; none for 0. */
export const takeVerdicts = async (minutes: number): Promise<Verdicts> => {
  if (!(minutes > 0)) return { checked: 0, wrong: 0, seed: null, shown: "wrong verdicts under faults: not tried" }
  const child = spawn(process.execPath, [main, `--minutes=${minutes}`], { stdio: ["ignore", "pipe", "inherit"] })
  let printed = ""
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString()
  })
  await once(child, "close")
  const found = lastLine.exec(printed)?.groups
  if (found === undefined) throw new Error(`chaos said nothing of its verdicts:\n${printed.slice(-2_000)}`)
  const [checked, wrong, seed] = [Number(found.checked), Number(found.wrong), Number(found.seed)]
  return {
    checked,
    wrong,
    seed,
    shown: `wrong verdicts under faults: ${wrong} of ${checked.toLocaleString("en")} (${found.decisive} after a right was taken away), ${found.actions} faults, seed ${seed}`
  }
}
