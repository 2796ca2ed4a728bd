/**
 * `npm run hostile -- --minutes=10 --seed=7`: volleys of what should not be against the service on the shipped bus,
 * for a while; what four observers see meanwhile, and whether all is as it was after each volley.
 *
 * Prints the seed, and ends with 0 only when nobody was harmed. The same run, short, is part of `npm test`.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { checkout } from "./lib/find.mjs"
import { provide } from "./lib/install.mjs"
import { orExplain } from "./lib/report.mjs"

const optionOf = (name) =>
  process.argv.flatMap((argument) => (argument.startsWith(`--${name}=`) ? [argument.slice(name.length + 3)] : []))[0]

await orExplain(async () => {
  await provide()
  const bin = join(checkout, "node_modules", ".bin")
  const test = join("test", "integration", "service", "hostileRun.test.ts")
  const seconds = Math.round(60 * Number(optionOf("minutes") ?? "5"))
  const seed = optionOf("seed")
  const child = spawn(join(bin, "node"), [join(bin, "vitest"), "run", "--project", "integration", test], {
    cwd: checkout,
    stdio: "inherit",
    env: { ...process.env, CM_HOSTILE_SECONDS: String(seconds), ...(seed === undefined ? {} : { SEED: seed }) }
  })
  process.once("exit", () => child.kill("SIGTERM"))
  process.exitCode = await new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)))
})
