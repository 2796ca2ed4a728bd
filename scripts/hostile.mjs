/**
 * `npm run hostile -- --minutes=10 --seed=7`: volleys of what should not be against the service on the shipped bus,
 * for a while; what four observers see meanwhile, and whether all is as it was after each volley.
 *
 * Prints the seed, and ends with 0 only when nobody was harmed. The same run, short, is part of `npm test`.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { checkout } from "./lib/find.mjs"
import { provide } from "./lib/install.mjs"
import { orExplain } from "./lib/report.mjs"

const { misused, values } = argumentsOf(import.meta.filename, {
  call: "npm run hostile --",
  options: { minutes: { type: "string", default: "5" }, seed: { type: "string" } }
})
const seconds = Math.round(60 * Number(values.minutes))
if (!(seconds > 0)) misused("--minutes is a number above 0")

await orExplain(async () => {
  await provide()
  const bin = join(checkout, "node_modules", ".bin")
  const test = join("test", "integration", "service", "hostileRun.test.ts")
  const { seed } = values
  const child = spawn(join(bin, "node"), [join(bin, "vitest"), "run", "--project", "integration", test], {
    cwd: checkout,
    stdio: "inherit",
    env: { ...process.env, CM_HOSTILE_SECONDS: String(seconds), ...(seed === undefined ? {} : { SEED: seed }) }
  })
  process.once("exit", () => child.kill("SIGTERM"))
  process.exitCode = await new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)))
})
